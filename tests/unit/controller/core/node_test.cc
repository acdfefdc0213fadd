// What ends an attempt and what does not: restarts, silence, new boots, an operator's word, forgetful agents.
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

struct Running : World {
  JobId id = 0;
  AttemptKey key;
  uint64_t session = 0;
  Running() {
    session = sync(hello("node1", 2));
    id = submit(simple_job());
    key = first_try(id);
    report("node1", at(key, Phase::kRunning));
  }
};

TEST(Node, SilenceIsAViewAndNoEvent) {
  Running world;
  const size_t events = world.events.size();
  world.put(NodeGone{"node1", world.session});
  EXPECT_EQ(world.of(world.id), JobState::kRunning);
  world.now = world.now + seconds(16);
  EXPECT_EQ(world.of(world.id), JobState::kUnreachable);
  EXPECT_EQ(world.reason(world.id), "node1 has been silent for 16.0s");
  world.sync(world.hello("node1", 2), {World::at(world.key, Phase::kRunning)});
  EXPECT_EQ(world.of(world.id), JobState::kRunning);
  EXPECT_EQ(world.events.size(), events);
}

TEST(Node, WhyAStartWaitsIsTheNodesWordAndNoEvent) {
  Running world;
  const JobId fresh = world.submit(simple_job());
  const AttemptKey key = first_try(fresh);
  world.report("node1", World::at(key, Phase::kStarting));
  const size_t events = world.events.size();
  ObservedAttempt waits = World::at(key, Phase::kStarting);
  waits.waits_for = "waits for the store";
  world.report("node1", waits);
  EXPECT_EQ(world.reason(fresh), "node1 waits for the store");
  ASSERT_EQ(world.effects.size(), 1u) << "its watchers are told";
  EXPECT_EQ(world.events.size(), events);
  world.report("node1", waits);
  EXPECT_TRUE(world.effects.empty()) << "once";
  world.report("node1", World::at(key, Phase::kRunning));
  EXPECT_EQ(world.reason(fresh), "");
}

TEST(Node, WhyItWasCancelledIsItsEndsReason) {
  Running world;
  world.put(Cancel{{world.id, kNoTask}, 0, "nobody was there"});
  world.report("node1", World::at(world.key, Phase::kEnded,
                                  Ending{EndCause::kCancelled, 130, "cancelled", {}}));
  EXPECT_EQ(world.of(world.id), JobState::kCancelled);
  EXPECT_EQ(world.ending(world.id).reason, "cancelled: nobody was there");
}

TEST(Node, AnOldSessionsEndDoesNotDisconnectTheNewOne) {
  Running world;
  const uint64_t old = world.session;
  world.sync(world.hello("node1", 2), {World::at(world.key, Phase::kRunning)});
  world.put(NodeGone{"node1", old});
  EXPECT_TRUE(is_connected(world.state, "node1"));
}

TEST(Node, NothingIsPlacedOnANodeThatIsAway) {
  Running world;
  world.put(NodeGone{"node1", world.session});
  const JobId second = world.submit(simple_job());
  EXPECT_EQ(world.of(second), JobState::kQueued);
}

TEST(Node, WhatItNeverReportedIsSentAgainWhatItReportedIsLost) {
  Running world;
  const JobId fresh = world.submit(simple_job());
  world.sync(world.hello("node1", 2), {});
  EXPECT_EQ(world.of(world.id), JobState::kNodeLost);
  EXPECT_EQ(world.ending(world.id).status, 125);
  EXPECT_EQ(world.of(fresh), JobState::kStarting);
  EXPECT_EQ(desired_on(world.state, "node1"), (std::vector<AttemptKey>{first_try(fresh)}));
}

TEST(Node, ANewBootEndsAllThatRanBefore) {
  Running world;
  world.sync(world.hello("node1", 2, "boot2"), {});
  EXPECT_EQ(world.of(world.id), JobState::kNodeLost);
  EXPECT_EQ(world.ending(world.id).reason, "node1 was restarted while it ran");
  EXPECT_FALSE(world.state.nodes.at("node1").lost);
}

TEST(Node, DeclaredLostAndBackAgainItIsToldToKillWhatItStillRuns) {
  Running world;
  world.put(NodeGone{"node1", world.sessions});
  const auto reply = world.put(DeclareLost{"node1", "node1 was declared lost by ada"});
  EXPECT_EQ(std::get<DeclaredLost>(*reply).attempts, std::vector<AttemptKey>{world.key});
  EXPECT_EQ(world.of(world.id), JobState::kNodeLost);
  world.sync(world.hello("node1", 2), {World::at(world.key, Phase::kRunning)});
  const auto stray = desired(world.state, "node1", world.key);
  ASSERT_TRUE(stray);
  EXPECT_EQ(stray->attempt.goal, Goal::kStop);
  EXPECT_EQ(stray->attempt.stop_signal, 9);
  world.end("node1", world.key, 0);
  EXPECT_EQ(world.of(world.id), JobState::kNodeLost) << "an ending is final";
  EXPECT_EQ(world.put(DeclareLost{"node9", ""}).error().code, Code::kNotFound);
}

TEST(Node, AConnectedOneIsNotDeclaredLost) {
  Running world;
  const auto reply = world.put(DeclareLost{"node1", "node1 was declared lost by ada"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::kConflict);
  EXPECT_NE(reply.error().message.find("node1 is connected"), std::string::npos);
  EXPECT_EQ(world.of(world.id), JobState::kRunning);
  EXPECT_FALSE(world.state.nodes.at("node1").lost);
}

TEST(Node, OneInTroubleTakesNothingAndExplainSaysWhy) {
  World world;
  world.put(Synchronized{world.hello("node1", 2), ++world.sessions, {}, "its devrun-fs has ended"});
  const JobId id = world.submit(simple_job());
  EXPECT_EQ(world.of(id), JobState::kQueued);
  EXPECT_EQ(world.reason(id), "no node takes jobs; node1 takes no jobs: its devrun-fs has ended");
  world.sync(world.hello("node2", 1));
  EXPECT_EQ(find_task(world.state, {id})->ranks[0].node, "node2");
  const JobId second = world.submit(simple_job());
  EXPECT_EQ(world.reason(second),
            "needs 1 core on one node; the largest free is 0 cores on node2; "
            "node1 takes no jobs: its devrun-fs has ended");
  world.put(Reported{"node1", {}, "another trouble"});
  EXPECT_EQ(world.of(second), JobState::kQueued);
  world.put(Reported{"node1", {}, ""});
  EXPECT_EQ(world.of(second), JobState::kStarting);
}

TEST(Journal, AJobCountsAsJournaledWhenItsRecordIsDurable) {
  World world;
  world.sync(world.hello("node1", 2));
  const JobId id = world.submit(simple_job());
  const Time durable = world.now + milliseconds(3);
  became_durable(world.state, world.events, durable);
  const Timeline timeline = view_task(world.state, {id}, durable)->timeline;
  EXPECT_EQ(timeline.journaled, durable);
  EXPECT_EQ(timeline.placed, durable) << "placed by the same transaction";
  world.end("node1", first_try(id), 0);
  EXPECT_EQ(world.replayed().jobs.at(id).timeline.journaled, durable);
  EXPECT_EQ(static_cast<const Ledger&>(world.state), world.replayed());
}

TEST(Node, AnEndedAttemptIsReleasedOnceItsOutputIsStored) {
  Running world;
  world.end("node1", world.key, 0);
  EXPECT_TRUE(world.did(ExpectOutput{world.key, 0}));
  EXPECT_TRUE(desired(world.state, "node1", world.key));
  // The controller restarts: the agent still has it, and is asked again.
  world.state.presence = {};
  world.sync(world.hello("node1", 2),
             {World::at(world.key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""})});
  EXPECT_TRUE(world.did(ExpectOutput{world.key, 0}));
  EXPECT_TRUE(desired(world.state, "node1", world.key));
  world.put(OutputStored{world.key});
  EXPECT_TRUE(world.did(Release{"node1", world.key}));
  EXPECT_FALSE(desired(world.state, "node1", world.key));
}

TEST(Node, ReportsGoForwardOnly) {
  Running world;
  const size_t events = world.events.size();
  world.report("node1", World::at(world.key, Phase::kStarting));
  world.report("node1", World::at(world.key, Phase::kRunning));
  EXPECT_EQ(world.events.size(), events);
  world.report("node2", World::at(world.key, Phase::kEnded, Ending{}));
  EXPECT_EQ(world.of(world.id), JobState::kRunning) << "it is not node2's";
}

TEST(Cancel, GivesOneHundredAndThirtyByWhateverWay) {
  Running world;
  world.put(Cancel{{world.id, kNoTask}, 0});
  EXPECT_EQ(desired(world.state, "node1", world.key)->attempt.goal, Goal::kStop);
  world.end("node1", world.key, 143);
  EXPECT_EQ(world.of(world.id), JobState::kCancelled);
  EXPECT_EQ(world.ending(world.id).status, 130);
  const auto again = world.put(Cancel{{world.id, kNoTask}, 0});
  EXPECT_EQ(std::get<Cancelled>(*again).before, JobState::kCancelled);
  EXPECT_EQ(world.put(Cancel{{99, kNoTask}, 0}).error().code, Code::kNotFound);
}

TEST(Cancel, ASignalIsDeliveredAndNumbered) {
  Running world;
  world.put(Cancel{{world.id, kNoTask}, 10});
  world.put(Cancel{{world.id, kNoTask}, 12});
  const auto rank = desired(world.state, "node1", world.key);
  EXPECT_EQ(rank->deliver_signal, 12);
  EXPECT_EQ(rank->deliver_sequence, 2u);
  EXPECT_EQ(rank->attempt.goal, Goal::kRun);
}

TEST(End, ATimeLimitStopsTheTask) {
  World world;
  world.sync(world.hello("node1", 2));
  JobSpec spec = simple_job();
  spec.time_limit = seconds(60);
  const JobId id = world.submit(spec);
  ObservedAttempt running = World::at(first_try(id), Phase::kRunning);
  running.timeline.started = world.now;
  world.report("node1", running);
  world.now = world.now + seconds(59);
  world.put(Tick{});
  EXPECT_EQ(desired(world.state, "node1", first_try(id))->attempt.goal, Goal::kRun);
  world.now = world.now + seconds(2);
  world.put(Tick{});
  EXPECT_EQ(desired(world.state, "node1", first_try(id))->attempt.stop_cause, EndCause::kTimedOut);
  world.end("node1", first_try(id), 143);
  EXPECT_EQ(world.of(id), JobState::kTimedOut);
  EXPECT_EQ(world.ending(id).status, 124);
}

TEST(Submit, ARequestIdIsOneJobOfItsUser) {
  World world;
  const auto first = world.put(Submit{"same", simple_job(), {}});
  const auto again = world.put(Submit{"same", simple_job(), {}});
  EXPECT_EQ(std::get<Submitted>(*first).job, std::get<Submitted>(*again).job);
  EXPECT_TRUE(std::get<Submitted>(*again).existed);
  JobSpec other = simple_job();
  other.user = "bob";
  EXPECT_NE(std::get<Submitted>(*world.put(Submit{"same", other, {}})).job,
            std::get<Submitted>(*first).job);
  EXPECT_TRUE(world.replayed() == static_cast<const Ledger&>(world.state));
}

}  // namespace
}  // namespace devrun::controller::testing
