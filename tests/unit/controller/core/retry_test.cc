// Further attempts: when they come, when they do not, and that no two of a task run at once.
#include "common/model/ending.h"
#include "common/model/limits.h"
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

JobSpec retried(uint32_t retries, std::vector<int32_t> on = {}) {
  JobSpec spec = simple_job();
  spec.retries = retries;
  spec.retry_on = std::move(on);
  return spec;
}

struct Cluster : World {
  std::map<std::string, uint64_t> open;
  explicit Cluster(int nodes = 1) {
    for (int i = 1; i <= nodes; ++i) connect("node" + std::to_string(i));
  }
  void connect(const std::string& node, std::vector<ObservedAttempt> observed = {},
               const std::string& boot = "boot1") {
    open[node] = sync(hello(node, 1, boot), std::move(observed));
  }
  void disconnect(const std::string& node) { put(NodeGone{node, open.at(node)}); }
  // As the shell does: one input a second.
  void pass(Duration span) {
    const Time until = now + span;
    while (now < until) {
      now = now + std::min(seconds(1), until - now);
      put(Tick{});
    }
  }
  const Task& task(JobId id, int32_t index = kNoTask) { return state.jobs.at(id).tasks.at(index); }
  std::string node_of(JobId id) {
    return task(id).ranks.empty() ? "" : task(id).ranks.front().node;
  }
  AttemptKey present(JobId id) { return {id, kNoTask, 0, task(id).attempt}; }
  void fail(JobId id, int32_t status) { end(node_of(id), present(id), status); }
};

// Now, on node1.
ObservedAttempt starts(Cluster& world, JobId id) {
  ObservedAttempt runs = World::at(world.present(id), Phase::kRunning);
  runs.timeline.started = world.now;
  world.report("node1", runs);
  return runs;
}

// Its program ends by the signal for that.
JobId run_past_its_limit(Cluster& world, JobSpec spec) {
  spec.time_limit = seconds(10);
  const JobId id = world.submit(spec);
  starts(world, id);
  world.pass(seconds(11));
  world.fail(id, 143);
  return id;
}

TEST(Retry, ListedStatusesAreNotCountedAndOthersAre) {
  Cluster world;
  JobSpec spec = retried(1);
  spec.retry_always_on = {33};
  const JobId id = world.submit(spec);
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    world.fail(id, 33);
    EXPECT_EQ(world.of(id), JobState::kQueued) << attempt;
    world.pass(seconds(120));
    EXPECT_EQ(world.task(id).attempt, attempt + 1);
  }
  world.fail(id, 1);
  EXPECT_NE(world.reason(id).find("attempt 4 ended with 1; attempt 5 begins"), std::string::npos)
      << world.reason(id);
  world.pass(seconds(120));
  world.fail(id, 33);
  world.pass(seconds(120));
  world.fail(id, 2);
  EXPECT_EQ(world.of(id), JobState::kFailed) << "one restart was asked for";
  EXPECT_EQ(world.ending(id).status, 2);
}

TEST(Retry, ALostNodeIsNotCountedAndAFailureIs) {
  Cluster world(2);
  JobSpec spec = retried(0);
  spec.retry_lost = true;
  const JobId id = world.submit(spec);
  EXPECT_GT(world.task(id).lease.us, 0);
  const std::string first = world.node_of(id);
  world.disconnect(first);
  world.put(DeclareLost{first, "gone"});
  EXPECT_EQ(world.of(id), JobState::kQueued);
  world.pass(seconds(120));
  EXPECT_EQ(world.task(id).attempt, 2U);
  world.fail(id, 1);
  EXPECT_EQ(world.of(id), JobState::kFailed);
}

TEST(Retry, WhatIsNotCountedEndsAllTheSame) {
  Cluster world;
  JobSpec spec = retried(0);
  spec.retry_always_on = {33};
  const JobId id = world.submit(spec);
  for (uint32_t attempt = 1; attempt <= kRetriesMax; ++attempt) {
    world.fail(id, 33);
    world.pass(seconds(120));
    ASSERT_EQ(world.task(id).attempt, attempt + 1);
  }
  world.fail(id, 33);
  EXPECT_EQ(world.of(id), JobState::kFailed);
}

TEST(Retry, AFailedAttemptIsFollowedByAnotherAfterAPause) {
  Cluster world;
  const JobId id = world.submit(retried(2));
  world.report("node1", World::at(world.present(id), Phase::kRunning));
  world.fail(id, 75);
  EXPECT_EQ(world.of(id), JobState::kQueued);
  EXPECT_EQ(world.reason(id),
            "attempt 1 ended with 75; attempt 2 of 3 begins after a pause of 1.0s");
  world.pass(seconds(1));
  EXPECT_EQ(world.task(id).attempt, 2U);
  EXPECT_EQ(world.of(id), JobState::kStarting);
  world.fail(id, 76);
  world.pass(seconds(1));
  EXPECT_EQ(world.of(id), JobState::kQueued) << "the second pause is twice as long";
  world.pass(seconds(1));
  EXPECT_EQ(world.task(id).attempt, 3U);
  world.fail(id, 77);
  EXPECT_EQ(world.of(id), JobState::kFailed);
  EXPECT_EQ(world.ending(id).status, 77);
  EXPECT_EQ(world.task(id).past.size(), 2U);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

// Its agent was killed meanwhile: nothing of it has run, and nobody has to ask that it begins anew.
TEST(Retry, AnInterruptedSetUpBeginsAnewAndIsNoneOfTheRetries) {
  Cluster world;
  const JobId id = world.submit(retried(1));
  const auto interrupt = [&] {
    world.report("node1", World::at(world.present(id), Phase::kEnded, set_up_interrupted()));
    world.pass(seconds(60));
  };
  interrupt();
  interrupt();
  EXPECT_EQ(world.task(id).attempt, 3u);
  EXPECT_EQ(world.of(id), JobState::kStarting);
  world.fail(id, 1);
  world.pass(seconds(60));
  EXPECT_EQ(world.task(id).attempt, 4u);
  world.fail(id, 1);
  EXPECT_EQ(world.of(id), JobState::kFailed);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Retry, WhatInterruptsEachSetUpEndsTheJob) {
  Cluster world;
  const JobId id = world.submit(simple_job());
  for (int i = 0; i < 100 && world.of(id) != JobState::kFailed; ++i) {
    world.report("node1", World::at(world.present(id), Phase::kEnded, set_up_interrupted()));
    world.pass(seconds(1200));
  }
  EXPECT_EQ(world.task(id).attempt, 6u);
  EXPECT_EQ(world.ending(id).status, 125);
}

TEST(Retry, TheRetriesThatAreLeftAfterAnInterruptionHaveALease) {
  Cluster world;
  const JobId id = world.submit(retried(1));
  EXPECT_NE(world.task(id).lease, Duration{});
  world.report("node1", World::at(world.present(id), Phase::kEnded, set_up_interrupted()));
  world.pass(seconds(60));
  EXPECT_EQ(world.task(id).attempt, 2u);
  EXPECT_NE(world.task(id).lease, Duration{}) << "a third may follow";
  world.fail(id, 1);
  world.pass(seconds(60));
  EXPECT_EQ(world.task(id).lease, Duration{});
}

TEST(Retry, AnInterruptedRankOfAGangThatHadBegunIsOneOfTheRetries) {
  Cluster world(2);
  JobSpec spec = retried(1);
  spec.nodes = 2;
  const JobId id = world.submit(spec);
  world.end(world.task(id).ranks[0].node, {id, kNoTask, 0, 1}, 143);
  world.report(world.task(id).ranks[1].node,
               World::at({id, kNoTask, 1, 1}, Phase::kEnded, set_up_interrupted()));
  world.pass(seconds(60));
  ASSERT_EQ(world.task(id).attempt, 2u);
  for (const uint32_t rank : {0u, 1u}) {
    world.end(world.task(id).ranks[rank].node, {id, kNoTask, rank, 2}, 1);
  }
  EXPECT_EQ(world.of(id), JobState::kFailed) << "one was asked for";
}

TEST(Retry, OfAGangThatHasPartlyBegunAnInterruptedSetUpIsAFailure) {
  Cluster world(2);
  JobSpec spec = simple_job();
  spec.nodes = 2;
  const JobId id = world.submit(spec);
  AttemptKey second = world.present(id);
  second.rank = 1;
  ObservedAttempt runs = World::at(world.present(id), Phase::kRunning);
  runs.timeline.started = world.now;
  const std::vector<Rank>& ranks = world.task(id).ranks;
  const std::string other = ranks[1].node;
  world.report(ranks[0].node, runs);
  world.report(other, World::at(second, Phase::kEnded, set_up_interrupted()));
  world.end(world.node_of(id), runs.key, 143);
  EXPECT_EQ(world.task(id).attempt, 1u);
  EXPECT_EQ(world.of(id), JobState::kFailed);
}

TEST(Retry, OnlyForTheStatusesThatWereNamed) {
  Cluster world;
  const JobId id = world.submit(retried(5, {75}));
  world.fail(id, 75);
  world.pass(seconds(1));
  world.fail(id, 1);
  EXPECT_EQ(world.of(id), JobState::kFailed);
  EXPECT_EQ(world.ending(id).status, 1);
}

TEST(Retry, NeitherSuccessNorCancellationNorTheTimeLimitIsAFailure) {
  Cluster world;
  const JobId good = world.submit(retried(5));
  world.fail(good, 0);
  EXPECT_EQ(world.of(good), JobState::kSucceeded);

  const JobId cancelled = world.submit(retried(5));
  world.put(Cancel{{cancelled, kNoTask}, 0});
  world.fail(cancelled, 143);
  EXPECT_EQ(world.of(cancelled), JobState::kCancelled);

  const JobId late = run_past_its_limit(world, retried(5));
  EXPECT_EQ(world.of(late), JobState::kTimedOut);
}

TEST(Retry, ATimeLimitThatIsNamedIsRetried) {
  Cluster world;
  const JobId id = run_past_its_limit(world, retried(1, {124}));
  EXPECT_EQ(world.of(id), JobState::kQueued);
}

TEST(Retry, CancelledBetweenTwoAttemptsItIsOver) {
  Cluster world;
  const JobId id = world.submit(retried(5));
  world.fail(id, 1);
  world.put(Cancel{{id, kNoTask}, 0});
  EXPECT_EQ(world.of(id), JobState::kCancelled);
  world.pass(seconds(100));
  EXPECT_EQ(world.task(id).attempt, 1U);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Retry, OutputOfAPastAttemptIsWaitedForAlsoByAnotherController) {
  Cluster world;
  const JobId id = world.submit(retried(1));
  const AttemptKey first = world.present(id);
  ObservedAttempt ended = World::at(first, Phase::kEnded, Ending{EndCause::kExited, 1, "", ""});
  ended.output_bytes = 500;
  world.report("node1", ended);
  EXPECT_TRUE(world.did(ExpectOutput{first, 500}));
  world.pass(seconds(1));
  ASSERT_EQ(world.task(id).attempt, 2U);
  EXPECT_TRUE(desired(world.state, "node1", first)) << "it is not released yet";
  world.state.presence = {};  // restarted
  world.connect("node1", {ended, World::at(world.present(id), Phase::kRunning)});
  EXPECT_TRUE(desired(world.state, "node1", first));
  world.put(OutputStored{first});
  EXPECT_TRUE(world.did(Release{"node1", first}));
  EXPECT_FALSE(desired(world.state, "node1", first));
}

TEST(Retry, AGangIsTriedAgainAsAWhole) {
  Cluster world(2);
  JobSpec spec = retried(1);
  spec.nodes = 2;
  const JobId id = world.submit(spec);
  world.end("node2", {id, kNoTask, 1, 1}, 9);
  EXPECT_EQ(world.of(id), JobState::kStarting) << "rank 0 is waited for";
  world.end("node1", {id, kNoTask, 0, 1}, 130);
  EXPECT_EQ(world.of(id), JobState::kQueued);
  world.pass(seconds(1));
  EXPECT_EQ(world.task(id).ranks.size(), 2U);
  EXPECT_EQ(world.task(id).attempt, 2U);
}

TEST(Retry, TasksOfAnArrayAreTriedAgainEachForItself) {
  Cluster world(3);
  JobSpec spec = retried(1);
  spec.array = {{0, 3, 1}};
  spec.array_running_max = 2;
  const JobId id = world.submit(spec);
  const auto where = [&](int32_t task) { return world.task(id, task).ranks.front().node; };
  world.end(where(0), {id, 0, 0, 1}, 1);
  world.end(where(1), {id, 1, 0, 1}, 0);
  world.pass(seconds(1));
  EXPECT_EQ(world.state.jobs.at(id).running_tasks, 2U);
  for (int32_t task : {2, 3, 0}) {
    world.pass(seconds(2));
    world.end(where(task), {id, task, 0, world.task(id, task).attempt}, 0);
  }
  EXPECT_EQ(world.task(id, 0).attempt, 2U);
  EXPECT_EQ(world.of(id), JobState::kSucceeded);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

struct Away : Cluster {
  JobId id = 0;
  AttemptKey first;
  Away() : Cluster(2) {
    id = submit(retried(1));
    first = present(id);
    report("node1", at(first, Phase::kRunning));
    disconnect("node1");
  }
  Duration full() const { return state.policy.lease + state.policy.lease_margin; }
  Duration almost() const { return {full().us - seconds(5).us}; }
};

TEST(Lease, ANodeThatIsAwayKeepsItsAttemptUntilTheLeaseIsOver) {
  Away world;
  EXPECT_EQ(attempt_spec(world.state, world.first).lease, world.state.policy.lease);
  world.pass(world.almost());
  EXPECT_EQ(world.of(world.id), JobState::kUnreachable);
  world.pass(seconds(10));
  EXPECT_EQ(world.task(world.id).attempt, 2U);
  EXPECT_EQ(world.node_of(world.id), "node2");
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Lease, ItIsCountedOnlyWhileTheControllerRan) {
  Away world;
  world.pass(world.almost());
  world.now = world.now + seconds(100'000);  // the clock was set, or we were stopped
  world.put(Tick{});
  EXPECT_EQ(world.task(world.id).attempt, 1U);
  world.state.presence = {};  // restarted: counted anew
  world.connect("node2");
  world.pass(world.almost());
  EXPECT_EQ(world.task(world.id).attempt, 1U);
  world.pass(seconds(10));
  EXPECT_EQ(world.task(world.id).attempt, 2U);
}

TEST(Lease, ANodeThatComesBackInTimeGoesOn) {
  Away world;
  world.pass(world.almost());
  world.connect("node1", {World::at(world.first, Phase::kRunning)});
  world.disconnect("node1");
  world.pass(world.almost());
  EXPECT_EQ(world.task(world.id).attempt, 1U);
}

TEST(Lease, ANodeThatComesBackTooLateIsToldToKillAndSaysNothingMore) {
  Away world;
  world.pass(world.full() + seconds(5));
  ASSERT_EQ(world.task(world.id).attempt, 2U);
  world.connect("node1", {World::at(world.first, Phase::kRunning)});
  const auto stray = desired(world.state, "node1", world.first);
  ASSERT_TRUE(stray);
  EXPECT_EQ(stray->attempt.goal, Goal::kStop);
  EXPECT_EQ(stray->attempt.stop_signal, 9);
  world.end("node1", world.first, 0);
  EXPECT_EQ(world.of(world.id), JobState::kStarting) << "the second attempt is the job now";
  world.fail(world.id, 0);
  EXPECT_EQ(world.of(world.id), JobState::kSucceeded);
}

TEST(Lease, TheLastAttemptHasNoneAndIsWaitedFor) {
  Cluster world(2);
  const JobId id = world.submit(simple_job());
  world.report("node1", World::at(world.present(id), Phase::kRunning));
  EXPECT_EQ(attempt_spec(world.state, world.present(id)).lease, Duration{});
  world.disconnect("node1");
  world.pass(seconds(10'000));
  EXPECT_EQ(world.of(id), JobState::kUnreachable);
}

TEST(Lease, ANewBootOrAnOperatorsWordNeedNoLease) {
  Away world;
  world.connect("node1", {}, "boot2");
  EXPECT_EQ(world.of(world.id), JobState::kQueued);
  world.pass(seconds(1));
  EXPECT_EQ(world.task(world.id).attempt, 2U);

  Away other;
  other.put(DeclareLost{"node1", "node1 was declared lost by ada"});
  other.pass(seconds(1));
  EXPECT_EQ(other.task(other.id).attempt, 2U);
}

TEST(TimeLimit, TheJobsOwnSignalComesOnceBeforeIt) {
  Cluster world;
  JobSpec spec = simple_job();
  spec.time_limit = seconds(100);
  spec.warn_signal = 10;
  spec.warn_before = seconds(40);
  const ObservedAttempt runs = starts(world, world.submit(spec));
  world.pass(seconds(59));
  EXPECT_EQ(desired(world.state, "node1", runs.key)->deliver_signal, 0);
  world.pass(seconds(10));
  EXPECT_EQ(desired(world.state, "node1", runs.key)->deliver_signal, 10);
  EXPECT_EQ(desired(world.state, "node1", runs.key)->deliver_sequence, 1U);
  EXPECT_EQ(desired(world.state, "node1", runs.key)->attempt.goal, Goal::kRun);
  world.pass(seconds(32));
  EXPECT_EQ(desired(world.state, "node1", runs.key)->attempt.goal, Goal::kStop);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Usage, IsTheNewestOnesAndNoEvent) {
  Cluster world;
  const JobId id = world.submit(simple_job());
  ObservedAttempt runs = World::at(world.present(id), Phase::kRunning);
  world.report("node1", runs);
  const size_t events = world.events.size();
  runs.usage = Usage{seconds(3), 100, 90, 5, 6};
  world.report("node1", runs);
  EXPECT_EQ(world.events.size(), events);
  EXPECT_EQ(world.state.presence.nodes.at("node1").usage.at(runs.key), *runs.usage);
  ObservedAttempt ended = World::at(runs.key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  ended.usage = Usage{seconds(4), 100, 0, 5, 6};
  world.report("node1", ended);
  EXPECT_EQ(world.task(id).ranks.front().usage, ended.usage);
  EXPECT_TRUE(world.state.presence.nodes.at("node1").usage.empty());
}

}  // namespace
}  // namespace devrun::controller::testing
