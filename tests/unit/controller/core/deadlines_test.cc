// When something of a time limit is due: found again after a restart, moved by what the agent says, forgotten with the end.
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

JobSpec limited(Duration limit) {
  JobSpec spec = simple_job();
  spec.time_limit = limit;
  return spec;
}

// The agent says that the attempt runs since then.
void runs_since(World& world, const AttemptKey& key, Time started) {
  ObservedAttempt observed = World::at(key, Phase::kRunning);
  observed.timeline.started = started;
  world.report("n1", observed);
}

bool is_stopped(const World& world, JobId job) {
  return find_task(world.state, {job, kNoTask})->stop == EndCause::kTimedOut;
}

TEST(Deadlines, TheLimitHoldsAfterARestart) {
  World world;
  world.sync(world.hello("n1", 4));
  const JobId job = world.submit(limited(seconds(100)));
  runs_since(world, first_try(job), world.now);
  static_cast<Ledger&>(world.state) = world.replayed();
  world.state.schedule.begin(world.state, world.now);
  world.now = world.now + seconds(99);
  world.put(Tick{});
  EXPECT_FALSE(is_stopped(world, job));
  world.now = world.now + seconds(1);
  world.put(Tick{});
  EXPECT_TRUE(is_stopped(world, job));
}

TEST(Deadlines, TheAgentsNewestWordOnTheStartCounts) {
  World world;
  world.sync(world.hello("n1", 4));
  const JobId job = world.submit(limited(seconds(100)));
  const Time begin = world.now;
  runs_since(world, first_try(job), begin);
  runs_since(world, first_try(job), begin + seconds(50));
  world.now = begin + seconds(120);
  world.put(Tick{});
  EXPECT_FALSE(is_stopped(world, job));
  world.now = begin + seconds(150);
  world.put(Tick{});
  EXPECT_TRUE(is_stopped(world, job));
}

TEST(Deadlines, WhatHasEndedIsNotStopped) {
  World world;
  world.sync(world.hello("n1", 4));
  const JobId ended = world.submit(limited(seconds(100)));
  const JobId completes = world.submit(limited(seconds(100)));
  runs_since(world, first_try(ended), world.now);
  runs_since(world, first_try(completes), world.now);
  world.end("n1", first_try(ended), 0);
  ObservedAttempt completing = World::at(first_try(completes), Phase::kCompleting);
  completing.timeline.started = world.now;
  world.report("n1", completing);
  world.now = world.now + seconds(200);
  world.put(Tick{});
  EXPECT_EQ(world.of(ended), JobState::kSucceeded);
  EXPECT_FALSE(is_stopped(world, completes));
}

TEST(Deadlines, OneOfAGangThatIsLostLeavesTheOthers) {
  World world;
  world.sync(world.hello("n1", 4));
  world.sync(world.hello("n2", 4));
  JobSpec spec = limited(seconds(100));
  spec.nodes = 2;
  spec.per_node.cpu_milli = 4000;
  const JobId job = world.submit(spec);
  for (const uint32_t rank : {0U, 1U}) {
    const AttemptKey key = first_try(job, kNoTask, rank);
    ObservedAttempt observed = World::at(key, Phase::kRunning);
    observed.timeline.started = world.now;
    world.report(find_rank(world.state, key)->node, observed);
  }
  world.put(NodeGone{"n2", world.sessions});
  world.put(DeclareLost{"n2", "gone"});
  world.now = world.now + seconds(200);
  world.put(Tick{});
  EXPECT_TRUE(is_stopped(world, job));
}

}  // namespace
}  // namespace devrun::controller::testing
