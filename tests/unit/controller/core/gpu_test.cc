// GPUs are given by index, each to one attempt at a time, and survive a replay.
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

NodeHello with_gpus(World& world, const std::string& name, const std::vector<std::string>& types) {
  NodeHello out = world.hello(name, 64);
  for (const std::string& type : types) {
    out.gpus.push_back({static_cast<uint32_t>(out.gpus.size()), type, type, 0});
  }
  out.total.gpus = static_cast<int32_t>(types.size());
  return out;
}

JobSpec needs(int32_t gpus, const std::string& type = {}) {
  JobSpec out = simple_job(1);
  out.per_node.gpus = gpus;
  out.per_node.gpu_type = type;
  return out;
}

std::vector<uint32_t> given(World& world, JobId id, uint32_t rank = 0) {
  const Task* task = find_task(world.state, {id});
  return task == nullptr || task->ranks.size() <= rank ? std::vector<uint32_t>{}
                                                       : task->ranks[rank].gpus;
}

using Indices = std::vector<uint32_t>;

TEST(Gpus, ByIndexAndTypeAndNeverTwice) {
  World world;
  world.sync(with_gpus(world, "node1", {"A100", "H100", "A100", "H100"}));
  const JobId first = world.submit(needs(1, "h100"));
  const JobId second = world.submit(needs(2, "A100"));
  const JobId third = world.submit(needs(2));
  EXPECT_EQ(given(world, first), (Indices{1}));
  EXPECT_EQ(given(world, second), (Indices{0, 2}));
  EXPECT_EQ(attempt_spec(world.state, first_try(second)).gpus, (Indices{0, 2}));
  EXPECT_EQ(world.of(third), JobState::kQueued);
  EXPECT_EQ(world.reason(third), "needs 2 GPUs on one node; the largest free is 1 GPU on node1");
  world.end("node1", first_try(first), 0);
  EXPECT_EQ(given(world, third), (Indices{1, 3}));
  const JobId none = world.submit(needs(1, "B200"));
  EXPECT_EQ(world.reason(none),
            "needs 1 B200 GPU on one node; the largest has 0 B200 GPUs (node1)");
  EXPECT_TRUE(broken_invariants(world.state).empty());
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Gpus, OfAGangOnEachNode) {
  World world;
  world.sync(with_gpus(world, "node1", {"T4", "T4"}));
  world.sync(with_gpus(world, "node2", {"T4", "T4"}));
  const JobId one = world.submit(needs(1));
  JobSpec gang = needs(1);
  gang.nodes = 2;
  const JobId both = world.submit(gang);
  EXPECT_EQ(given(world, one), (Indices{0}));
  EXPECT_EQ(given(world, both, 0), (Indices{1}));
  EXPECT_EQ(given(world, both, 1), (Indices{0}));
  EXPECT_TRUE(broken_invariants(world.state).empty());
}

// ── what befalls them ──
NodeHello troubled(NodeHello hello, uint32_t index, const std::string& trouble) {
  hello.gpus.at(index).trouble = trouble;
  return hello;
}

TEST(Gpus, OneInTroubleTakesNothingAndItsJobIsTold) {
  World world;
  const NodeHello node = with_gpus(world, "node1", {"H100", "H100"});
  world.sync(node);
  const JobId job = world.submit(needs(1));
  world.report("node1", World::at(first_try(job), Phase::kRunning));
  EXPECT_EQ(world.reason(job), "");
  // It fails while a job has it, and the other one, too.
  NodeHello bad = troubled(troubled(node, 0, "XID 79: it has fallen off the bus"), 1, "wet");
  world.sync(bad, {World::at(first_try(job), Phase::kRunning)});
  EXPECT_TRUE(world.did(TaskChanged{{job, kNoTask}}));
  EXPECT_EQ(world.reason(job), "node1, GPU 0: XID 79: it has fallen off the bus");
  EXPECT_EQ(view_task(world.state, {job, kNoTask}, world.now)->reason, world.reason(job));
  const JobId waits = world.submit(needs(1, "H100"));
  EXPECT_EQ(
      world.reason(waits),
      "needs 1 H100 GPU on one node; the largest free is 0 H100 GPUs on node1; GPU 0 of node1 "
      "is set aside: XID 79: it has fallen off the bus (1 more are, too)");
  // The job ends of it, and that is why.
  world.end("node1", first_try(job), 139);
  EXPECT_EQ(world.ending(job).reason, "node1 had failed: GPU 0: XID 79: it has fallen off the bus");
  EXPECT_EQ(world.of(waits), JobState::kQueued);
  // One comes back: it takes the job that waits.
  world.sync(troubled(node, 0, "XID 79: it has fallen off the bus"));
  EXPECT_EQ(given(world, waits), (Indices{1}));
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Gpus, AJobThatEndsWellIsNotBlamedOnThem) {
  World world;
  const NodeHello node = with_gpus(world, "node1", {"H100"});
  world.sync(node);
  const JobId job = world.submit(needs(1));
  world.report("node1", World::at(first_try(job), Phase::kRunning));
  world.sync(troubled(node, 0, "wet"), {World::at(first_try(job), Phase::kRunning)});
  world.end("node1", first_try(job), 0);
  EXPECT_EQ(world.ending(job).reason, "");
}

TEST(Gpus, ThoseThatOthersUseAreAvoidedIfPolicySaysSo) {
  World world;
  NodeHello node = with_gpus(world, "node1", {"H100", "H100"});
  node.gpus[0].others = "python (pid 7)";
  world.sync(node);
  const JobId any = world.submit(needs(1));
  EXPECT_EQ(given(world, any), (Indices{0}));
  world.end("node1", first_try(any), 0);
  Policy policy;
  policy.avoid_gpus_of_others = true;
  world.put(SetPolicy{policy});
  EXPECT_EQ(given(world, world.submit(needs(1))), (Indices{1}));
  const JobId waits = world.submit(needs(1));
  EXPECT_NE(world.reason(waits).find("programs that are not devrun's use it: python (pid 7)"),
            std::string::npos)
      << world.reason(waits);
  node.gpus[0].others.clear();
  world.sync(node, {});
  EXPECT_EQ(given(world, waits), (Indices{0}));
}

TEST(Gpus, ASliceIsForThoseWhoAskForIt) {
  World world;
  NodeHello node = with_gpus(world, "node1", {"A100", "A100-1g.5gb", "A100-1g.5gb"});
  for (size_t i : {1u, 2u}) {
    node.gpus[i].slice = "1g.5gb";
    node.gpus[i].slice_of = 1;
    node.gpus[i].index = static_cast<uint32_t>(110 + i);
  }
  world.sync(node);
  EXPECT_EQ(given(world, world.submit(needs(1))), (Indices{0}));
  const JobId whole = world.submit(needs(1));
  EXPECT_EQ(world.of(whole), JobState::kQueued);
  EXPECT_EQ(given(world, world.submit(needs(1, "1g.5gb"))), (Indices{111}));
  EXPECT_EQ(given(world, world.submit(needs(1, "a100-1G.5GB"))), (Indices{112}));
}

JobSpec share(int32_t milli, const std::string& type = {}) {
  JobSpec out = needs(1, type);
  out.per_node.gpu_milli = milli;
  return out;
}

TEST(Gpus, SharesFillUpOneBeforeTheNext) {
  World world;
  world.sync(with_gpus(world, "node1", {"T4", "T4"}));
  const JobId first = world.submit(share(500));
  const JobId second = world.submit(share(300));
  const JobId third = world.submit(share(500, "T4"));
  EXPECT_EQ(given(world, first), (Indices{0}));
  EXPECT_EQ(given(world, second), (Indices{0}));
  EXPECT_EQ(given(world, third), (Indices{1}));
  EXPECT_EQ(world.state.nodes.at("node1").used.gpus, 2);
  const JobId whole = world.submit(needs(1));
  EXPECT_EQ(world.reason(whole), "needs 1 GPU on one node; the largest free is 0 GPUs on node1");
  const JobId much = world.submit(share(600));
  EXPECT_EQ(world.reason(much), "needs 0.6 GPU on one node; the largest free is 0.5 GPU on node1");
  world.end("node1", first_try(third), 0);
  EXPECT_EQ(given(world, whole), (Indices{1}));
  world.end("node1", first_try(first), 0);
  EXPECT_EQ(given(world, much), (Indices{0}));
  world.end("node1", first_try(second), 0);
  world.end("node1", first_try(much), 0);
  EXPECT_EQ(given(world, world.submit(needs(1))), (Indices{0}));
  EXPECT_EQ(world.state.nodes.at("node1").used.gpus, 2);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Gpus, AWholeOneWaitsForTheLastShare) {
  World world;
  world.sync(with_gpus(world, "node1", {"T4"}));
  JobSpec brief = share(400);
  brief.time_limit = seconds(100);
  JobSpec longer = share(400);
  longer.time_limit = seconds(1000);
  world.submit(brief);
  world.submit(longer);
  const JobId whole = world.submit(needs(1));
  EXPECT_GE(foresee(world.state, world.state.jobs.at(whole), world.now).start,
            world.now + seconds(1000));
}

TEST(Gpus, IdleOnesAreSaidAndTheirJobsEndedAsPolicyHasIt) {
  World world;
  Policy policy;
  policy.idle_gpus_warned = seconds(1800);
  policy.idle_gpus_ended = seconds(7200);
  world.put(SetPolicy{policy});
  world.sync(with_gpus(world, "node1", {"H100", "H100"}));
  const JobId job = world.submit(needs(2));
  const AttemptKey key = first_try(job);
  world.report("node1", World::at(key, Phase::kRunning));
  const auto idle = [&](int64_t seconds_idle) {
    world.put(GpusIdle{{{key, {seconds(seconds_idle), 2, 12LL << 30}}}});
  };
  idle(1740);
  EXPECT_EQ(world.reason(job), "");
  idle(1800);
  EXPECT_TRUE(world.did(TaskChanged{{job, kNoTask}}));
  EXPECT_NE(world.reason(job).find("its 2 GPUs have done nothing for 30m"), std::string::npos)
      << world.reason(job);
  world.put(GpusIdle{});
  EXPECT_TRUE(world.did(TaskChanged{{job, kNoTask}}));
  EXPECT_EQ(world.reason(job), "");
  idle(7200);
  EXPECT_TRUE(world.did(SendDesired{"node1", key}));
  idle(7260);  // once
  EXPECT_FALSE(world.did(SendDesired{"node1", key}));
  world.report("node1", World::at(key, Phase::kEnded, Ending{EndCause::kCancelled, 130, "", ""}));
  EXPECT_EQ(world.of(job), JobState::kCancelled);
  EXPECT_NE(world.ending(job).reason.find("and the policy ends such jobs"), std::string::npos)
      << world.ending(job).reason;
  // One that has ended, or is no job at all, does no harm.
  idle(7300);
  world.put(GpusIdle{{{first_try(99), {seconds(7200), 1, 0}}}});
}

TEST(Keep, IsDurableAndOnce) {
  World world;
  world.sync(world.hello("node1", 4));
  JobSpec spec = simple_job(1);
  spec.cancel_on_disconnect = true;
  const JobId id = world.submit(spec);
  EXPECT_FALSE(world.state.jobs.at(id).kept);
  world.put(Keep{id});
  EXPECT_TRUE(world.state.jobs.at(id).kept);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
  world.put(Keep{id});
  const JobId plain = world.submit(simple_job(1));
  world.put(Keep{plain});
  EXPECT_FALSE(world.state.jobs.at(plain).kept);
}

}  // namespace
}  // namespace devrun::controller::testing
