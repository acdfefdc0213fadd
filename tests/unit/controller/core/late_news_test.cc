// What the simulation (tests/sim) has found: news that come late or out of order, ends that were unsaid, clocks that
// disagree. One case each.
#include <gtest/gtest.h>

#include "controller/core/apply.h"
#include "controller/core/schedule_check.h"
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

// One node with an attempt that runs there.
struct Runs : World {
  JobId id = 0;
  uint64_t session = 0;

  explicit Runs(const JobSpec& spec) {
    session = sync(hello("node1", 2));
    id = submit(spec);
    report("node1", at(key(), Phase::kRunning));
  }
  Task& task() { return state.jobs.at(id).tasks.at(kNoTask); }
  AttemptKey key() { return {id, kNoTask, 0, task().attempt}; }
  void tick(Duration later) {
    now = now + later;
    put(Tick{});
  }
};

JobSpec retried() {
  JobSpec spec = simple_job();
  spec.retries = 3;
  return spec;
}

TEST(LateNews, WhoReportsIsNotSilentEvenIfItsHeldCallIsRefused) {
  Runs world(retried());
  world.put(NodeGone{"node1", world.session});
  const Duration full = world.state.policy.lease + world.state.policy.lease_margin;
  for (Duration away; away.us < 2 * full.us; away = away + seconds(2)) {
    world.tick(seconds(2));
    world.put(Reported{"node1", {}});
  }
  EXPECT_EQ(world.task().attempt, 1U) << "its answered reports have renewed the lease";
  EXPECT_TRUE(is_placed(world.task()));
}

TEST(LateNews, CancellingWhatHasReachedItsTimeLimitKeepsItFromBeingRunAgain) {
  JobSpec spec = retried();
  spec.time_limit = seconds(10);
  Runs world(spec);
  ObservedAttempt runs = World::at(world.key(), Phase::kRunning);
  runs.timeline.started = world.now;
  world.report("node1", runs);
  world.tick(seconds(11));
  ASSERT_EQ(world.task().stop, EndCause::kTimedOut);
  world.put(Cancel{{world.id, kNoTask}, 0});
  world.report("node1", World::at(world.key(), Phase::kEnded,
                                  Ending{EndCause::kLost, 125, "its shim died", ""}));
  EXPECT_NE(world.of(world.id), JobState::kQueued);
  EXPECT_TRUE(world.state.jobs.at(world.id).outcome);
}

TEST(LateNews, NothingIsPlacedBesideWhatRunsThoughItsNodeWasGivenUp) {
  Runs world(simple_job(2));
  const AttemptKey stray = world.key();
  world.put(NodeGone{"node1", world.session});
  ASSERT_TRUE(world.put(DeclareLost{"node1", "gone"}));
  const JobId next = world.submit(simple_job(2));
  world.sync(world.hello("node1", 2), {World::at(stray, Phase::kRunning)});
  EXPECT_EQ(world.of(next), JobState::kQueued);
  EXPECT_NE(world.reason(next).find("still ending"), std::string::npos) << world.reason(next);
  world.report("node1", World::at(stray, Phase::kEnded, Ending{EndCause::kLost, 125, "", ""}));
  EXPECT_EQ(world.of(next), JobState::kStarting);
}

TEST(LateNews, OlderNewsAfterAnEndChangeNothing) {
  Runs world(simple_job());
  const AttemptKey key = world.key();
  world.end("node1", key, 0);
  world.report("node1", World::at(key, Phase::kRunning));
  EXPECT_TRUE(world.state.presence.nodes.at("node1").strays.empty());
  // In a hello it is no late word: an agent that has just begun looks at it again.
  world.sync(world.hello("node1", 2), {World::at(key, Phase::kStarting)});
  EXPECT_TRUE(desired(world.state, "node1", key)) << "or its output would go";
}

TEST(LateNews, AClockThatIsBehindShortensNoTimeLimit) {
  JobSpec spec = simple_job();
  spec.time_limit = seconds(60);
  Runs world(spec);
  ObservedAttempt runs = World::at(world.key(), Phase::kRunning);
  runs.timeline.agent_received = Time{seconds(1000).us};  // long ago, as that node sees it
  runs.timeline.started = runs.timeline.agent_received + seconds(2);
  world.report("node1", runs);
  world.tick(seconds(59));
  EXPECT_FALSE(world.task().stop);
  world.tick(seconds(4));
  EXPECT_EQ(world.task().stop, EndCause::kTimedOut);
}

TEST(LateNews, OutputThatANodeLostWithItsPowerIsNotWaitedFor) {
  Runs world(simple_job());
  const AttemptKey key = world.key();
  ObservedAttempt ended = World::at(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  ended.output_bytes = 500;
  world.report("node1", ended);
  EXPECT_TRUE(world.did(ExpectOutput{key, 500}));
  ended.output_bytes = 200;
  world.sync(world.hello("node1", 2, "boot2"), {ended});
  EXPECT_TRUE(world.did(ExpectOutput{key, 200}));
  world.put(OutputStored{key, 200});
  EXPECT_TRUE(world.did(Release{"node1", key}));
  EXPECT_EQ(find_rank(world.state, key)->output_bytes, 200) << "readers stop there";
  EXPECT_EQ(world.ending(world.id).status, 0);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(LateNews, OutputOfANodeThatIsLostIsNotWaitedForButCountsWhenItComesBack) {
  Runs world(simple_job());
  const AttemptKey key = world.key();
  ObservedAttempt ended = World::at(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  ended.output_bytes = 500;
  world.report("node1", ended);
  const auto view = [&] { return *view_task(world.state, key.task_key(), world.now); };
  EXPECT_FALSE(is_all_output(view(), 1, 0, 499));
  world.put(NodeGone{"node1", world.session});
  EXPECT_FALSE(is_all_output(view(), 1, 0, 499)) << "it may come back";
  world.put(DeclareLost{"node1", "burnt"});
  EXPECT_TRUE(world.did(ForgetOutput{key}));
  EXPECT_TRUE(world.did(TaskChanged{key.task_key()})) << "its readers are told";
  EXPECT_TRUE(is_all_output(view(), 1, 0, 499));
  EXPECT_EQ(missing_output(view(), 1, 0, 499), 1u);
  EXPECT_EQ(world.ending(world.id).status, 0) << "how it ended is known";
  world.sync(world.hello("node1", 2), {ended});
  EXPECT_TRUE(world.did(ExpectOutput{key, 500}));
  EXPECT_FALSE(is_all_output(view(), 1, 0, 499));
  world.put(OutputStored{key, 500});
  EXPECT_TRUE(is_all_output(view(), 1, 0, 500));
  EXPECT_EQ(missing_output(view(), 1, 0, 500), 0u);
}

TEST(LateNews, OutputThatANodeKnowsNothingOfAnyMoreIsNotWaitedFor) {
  Runs world(simple_job());
  const AttemptKey key = world.key();
  ObservedAttempt ended = World::at(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  ended.output_bytes = 500;
  world.report("node1", ended);
  world.sync(world.hello("node1", 2), {});
  EXPECT_TRUE(world.did(ForgetOutput{key}));
  EXPECT_TRUE(is_all_output(*view_task(world.state, key.task_key(), world.now), 1, 0, 0));
}

TEST(LateNews, WhatCompletesWhenItsArrayIsCancelledIsNotRunAgain) {
  JobSpec spec = retried();
  spec.array = {{0, 1, 1}};
  World world;
  const uint64_t session = world.sync(world.hello("node1", 4));
  const JobId id = world.submit(spec);
  for (const int32_t task : {0, 1}) {
    world.report("node1", World::at({id, task, 0, 1}, Phase::kRunning));
  }
  world.report("node1", World::at({id, 0, 0, 1}, Phase::kCompleting));
  ASSERT_TRUE(world.put(Cancel{{id, kNoTask}, 0}));
  world.put(NodeGone{"node1", session});
  ASSERT_TRUE(world.put(DeclareLost{"node1", "gone"}));
  EXPECT_TRUE(world.state.jobs.at(id).outcome);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(LateNews, AClockThatIsSetBackPutsPausesBack) {
  Runs world(retried());
  const Time before = world.now;
  world.report("node1",
               World::at(world.key(), Phase::kEnded, Ending{EndCause::kExited, 1, "", ""}));
  ASSERT_FALSE(is_placed(world.task()));
  // Its pause is over, and it is about to be placed where there is no room ...
  world.put(NodeGone{"node1", world.session});
  world.tick(seconds(5));
  // ... when somebody sets the clock, and then there is room.
  world.now = before;
  world.sync(world.hello("node1", 2));
  EXPECT_EQ(world.of(world.id), JobState::kQueued);
  EXPECT_EQ(schedule_problems(world.state, world.now), std::vector<std::string>{});
  world.tick(seconds(5));
  EXPECT_EQ(world.task().attempt, 2U);
}

TEST(LateNews, ANodeMayHaveBeenDrainedBeforeTheHelloThatAJournalStillHas) {
  Ledger ledger;
  apply(ledger, {Time{1}, NodeDrained{"node1", true, "a fan is loud", "root"}});
  NodeHello hello;
  hello.name = "node1";
  apply(ledger, {Time{2}, NodeJoined{hello}});
  EXPECT_EQ(ledger.nodes.at("node1").drained, "a fan is loud");
  EXPECT_EQ(ledger.nodes.at("node1").hello, hello);
}

}  // namespace
}  // namespace devrun::controller::testing
