// Groups: none begins before all are ready; one that fails ends the others; the primary ones' end ends the rest.
#include "controller/core/group.h"

#include "tests/unit/controller/core/world.h"

namespace devrun::controller {
namespace {

using testing::first_try;
using testing::simple_job;
using testing::World;

struct GroupWorld : World {
  GroupWorld() {
    sync(hello("node1", 2));
    sync(hello("node2", 2));
  }
  JobSpec member(const std::string& task, JobId leader = 0, uint32_t size = 2) {
    JobSpec out = simple_job(1);
    out.program.setup = {"true"};
    out.group = {leader, size, "duo", task};
    return out;
  }
  std::string node_of(JobId id) { return state.jobs.at(id).tasks.at(kNoTask).ranks.at(0).node; }
  void ready(JobId id) {
    ObservedAttempt done = at(first_try(id), Phase::kSettingUp);
    done.setup_done = true;
    report(node_of(id), done);
  }
  bool goes(JobId id) { return desired(state, node_of(id), first_try(id))->attempt.go; }
  std::vector<std::string> hosts(JobId id) {
    return desired(state, node_of(id), first_try(id))->attempt.hosts;
  }
};

TEST(Group, NoneBeginsBeforeAllAreReady) {
  GroupWorld world;
  const JobId one = world.submit(world.member("one"));
  world.ready(one);
  EXPECT_FALSE(world.goes(one)) << "the other is not even submitted";
  EXPECT_EQ(view_task(world.state, {one, kNoTask}, world.now)->reason,
            "waits for the rest of its group duo: 1 of 2 are ready");
  const JobId two = world.submit(world.member("two", one));
  EXPECT_FALSE(world.goes(one));
  world.ready(two);
  EXPECT_TRUE(world.did(SendDesired{world.node_of(one), first_try(one)}));
  EXPECT_TRUE(world.goes(one));
  EXPECT_TRUE(world.goes(two));
  const std::vector<std::string> names{world.node_of(one) + ".local one-0.duo",
                                       world.node_of(two) + ".local two-0.duo"};
  EXPECT_EQ(world.hosts(one), names);
  EXPECT_EQ(world.hosts(two), names);
  // One is over before the other was heard of again: that may still go.
  world.report(world.node_of(one), World::at(first_try(one), Phase::kRunning));
  world.end(world.node_of(one), first_try(one), 0);
  EXPECT_TRUE(world.goes(two));
  EXPECT_TRUE(world.replayed() == static_cast<const Ledger&>(world.state));
}

TEST(Group, OneThatDoesNotFitBesideItselfSaysSo) {
  GroupWorld world;
  JobSpec large = world.member("large");
  large.per_node.cpu_milli = 2000;
  const JobId one = world.submit(large);
  large = world.member("wide", one);
  large.nodes = 2;
  const JobId two = world.submit(large);
  EXPECT_EQ(world.reason(two),
            "the group duo does not fit beside itself: where the others of it have what they ask "
            "for, wide (job 2) finds no 2 nodes with 1 core");
  world.ready(one);
  EXPECT_EQ(world.reason(one),
            "waits for the rest of its group duo: 1 of 2 are ready; " + world.reason(two));
  EXPECT_TRUE(foresee(world.state, world.state.jobs.at(two), world.now).never);
  world.sync(world.hello("node3", 1));
  EXPECT_EQ(world.of(two), JobState::kStarting);
}

TEST(Group, OneThatWaitsForOthersJobsDoesNotSaySo) {
  GroupWorld world;
  const JobId other = world.submit(simple_job(2));
  JobSpec large = world.member("a");
  large.per_node.cpu_milli = 2000;
  const JobId one = world.submit(large);
  large.group = {one, 2, "duo", "b"};
  const JobId two = world.submit(large);
  world.ready(one);
  EXPECT_EQ(world.reason(two), "needs 2 cores on one node; the largest free is 0 cores on node1");
  EXPECT_EQ(world.reason(one),
            "waits for the rest of its group duo: 1 of 2 are ready; job 3 has no room yet");
  world.end(world.node_of(other), first_try(other), 0);
  EXPECT_EQ(world.of(two), JobState::kStarting);
}

TEST(Group, GpusOfTheGroupAreCountedByTheirType) {
  World world;
  NodeHello hello = world.hello("node1", 8);
  for (uint32_t i = 0; i < 3; ++i) {
    hello.gpus.push_back({i, i < 2 ? "H100" : "A100", "", int64_t{80} << 30});
  }
  hello.total.gpus = 3;
  world.sync(hello);
  JobSpec spec = simple_job(1);
  spec.program.setup = {"true"};
  spec.per_node.gpus = 1;
  spec.group = {0, 2, "duo", "a"};
  const JobId one = world.submit(spec);
  spec.per_node.gpus = 2;
  spec.per_node.gpu_type = "H100";
  spec.group = {one, 2, "duo", "b"};
  const JobId two = world.submit(spec);
  // Where the first lies decides.
  const uint32_t taken = find_task(world.state, {one, kNoTask})->ranks[0].gpus.at(0);
  if (taken == 2) {
    EXPECT_EQ(world.of(two), JobState::kStarting);
  } else {
    EXPECT_NE(world.reason(two).find("b (job 2) finds no node with 1 core, 2 H100 GPUs"),
              std::string::npos)
        << world.reason(two);
  }
}

TEST(Group, AMemberThatFailsEndsTheOthers) {
  GroupWorld world;
  const JobId one = world.submit(world.member("one"));
  const JobId two = world.submit(world.member("two", one));
  world.end(world.node_of(one), first_try(one), 7);
  EXPECT_EQ(world.of(one), JobState::kFailed);
  EXPECT_EQ(desired(world.state, world.node_of(two), first_try(two))->attempt.goal, Goal::kStop);
  world.report(world.node_of(two),
               World::at(first_try(two), Phase::kEnded, Ending{EndCause::kCancelled, 143, "", ""}));
  EXPECT_EQ(world.of(two), JobState::kCancelled);
  EXPECT_EQ(world.ending(two).reason, "cancelled: one of its group duo (job 1) ended FAILED");
}

TEST(Group, AMemberThatSucceedsLeavesTheOthersAlone) {
  GroupWorld world;
  const JobId one = world.submit(world.member("one"));
  const JobId two = world.submit(world.member("two", one));
  world.end(world.node_of(one), first_try(one), 0);
  EXPECT_EQ(desired(world.state, world.node_of(two), first_try(two))->attempt.goal, Goal::kRun);
}

TEST(Group, SecondaryOnesEndWithTheLastPrimaryOne) {
  GroupWorld world;
  const JobId one = world.submit(world.member("one", 0, 3));
  const JobId two = world.submit(world.member("two", one, 3));
  JobSpec third = world.member("three", one, 3);
  third.group.secondary = true;
  const JobId three = world.submit(third);
  world.end(world.node_of(one), first_try(one), 0);
  const auto goal = [&] {
    return desired(world.state, world.node_of(three), first_try(three))->attempt.goal;
  };
  EXPECT_EQ(goal(), Goal::kRun);
  world.end(world.node_of(two), first_try(two), 0);
  EXPECT_EQ(goal(), Goal::kStop);
}

TEST(Group, OnlyTheOwnGroupCanBeJoinedAndNotTwice) {
  GroupWorld world;
  const JobId one = world.submit(world.member("one"));
  const auto refused = [&](const JobSpec& spec) {
    return !world.put(Submit{"x" + std::to_string(++world.requests), spec, {}});
  };
  JobSpec other = world.member("two", one);
  other.user = "bob";
  EXPECT_TRUE(refused(other));
  other = world.member("two", one);
  other.group.name = "trio";
  EXPECT_TRUE(refused(other));
  EXPECT_TRUE(refused(world.member("two", 99)));
  world.submit(world.member("two", one));
  EXPECT_TRUE(refused(world.member("three", one)));
}

}  // namespace
}  // namespace devrun::controller
