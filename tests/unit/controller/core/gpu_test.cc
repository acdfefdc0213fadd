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
