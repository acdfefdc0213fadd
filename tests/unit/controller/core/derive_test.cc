// What tasks begin with, and when rooms and results count.
#include <gtest/gtest.h>

#include "tests/unit/controller/core/world.h"

namespace devrun::controller {
namespace {

using testing::digest;
using testing::first_try;
using testing::simple_job;
using testing::World;

ObservedAttempt ended_with_results_left(const AttemptKey& key, const std::string& why) {
  ObservedAttempt ended = World::at(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  ended.wrote = WrittenSummary{};
  ended.wrote->home = HomeSummary{};
  ended.wrote->home->failure = why;
  return ended;
}

TEST(Derive, ADependentBeginsWithWhatItWaitedFor) {
  World world;
  world.derives = false;
  world.sync(world.hello("n1", 4));
  const JobId first = world.submit(simple_job());
  JobSpec spec = simple_job();
  spec.root.tree = digest(9);
  spec.after_ok = {first};
  const JobId second = world.submit(spec);
  EXPECT_FALSE(world.did(DeriveRoot{{second, kNoTask}, 1, "work", digest(9), {first_try(first)}}));
  world.end("n1", first_try(first), 0);
  EXPECT_TRUE(world.did(DeriveRoot{{second, kNoTask}, 1, "work", digest(9), {first_try(first)}}));
  EXPECT_EQ(world.of(second), JobState::kQueued);
  EXPECT_NE(world.reason(second).find("being made"), std::string::npos);
  // Asked once, and again after a restart, which forgets that it was.
  world.put(Tick{});
  EXPECT_TRUE(world.effects.empty());
  world.state.presence.deriving.clear();
  world.state.schedule.begin(world.state, world.now);
  world.put(Tick{});
  EXPECT_FALSE(world.effects.empty());
  world.put(Derived{{second, kNoTask}, 1, digest(7)});
  EXPECT_EQ(attempt_spec(world.state, first_try(second)).root.tree, digest(7));
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Derive, WhatOthersKeepToThemselvesIsNoPartOfWhatComesHome) {
  World world;
  world.derives = false;
  world.sync(world.hello("n1", 4));
  JobSpec upload = simple_job();
  upload.results = Results::kKeep;
  const JobId kept = world.submit(upload);
  const JobId other = world.submit(simple_job());
  JobSpec spec = simple_job();
  spec.root.tree = digest(9);
  spec.after_ok = {kept, other};
  const JobId id = world.submit(spec);
  world.end("n1", first_try(kept), 0);
  world.end("n1", first_try(other), 0);
  DeriveRoot wanted{{id, kNoTask}, 1, "work", digest(9), {first_try(kept), first_try(other)}};
  wanted.kept = {first_try(kept)};
  EXPECT_TRUE(world.did(wanted));
  Derived answer{{id, kNoTask}, 1, digest(7)};
  answer.volume_tree = digest(8);
  world.put(answer);
  EXPECT_EQ(attempt_spec(world.state, first_try(id)).root.tree, digest(7));
  EXPECT_EQ(volume_tree_of(world.state.jobs.at(id)), digest(8));
  EXPECT_TRUE(volume_tree_of(world.state.jobs.at(other)).is_zero());
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Derive, AnArrayThatWaitedHasOneTreeForAllItsTasks) {
  World world;
  world.sync(world.hello("n1", 8));
  const JobId first = world.submit(simple_job());
  JobSpec spec = simple_job();
  spec.array = {{0, 3, 1}};
  spec.after_ok = {first};
  const JobId second = world.submit(spec);
  world.end("n1", first_try(first), 0);
  EXPECT_EQ(world.derived.size(), 1u);
  for (int32_t task = 0; task < 4; ++task) {
    EXPECT_EQ(attempt_spec(world.state, first_try(second, task)).root.tree,
              World::tree_of(world.derived[0]));
  }
}

TEST(Derive, ALaterAttemptSeesWhatCameHome) {
  World world;
  world.sync(world.hello("n1", 4));
  JobSpec spec = simple_job();
  spec.retries = 2;
  spec.root.tree = digest(9);
  const JobId id = world.submit(spec);
  world.end("n1", first_try(id), 1);
  world.now = world.now + seconds(10);
  world.put(Tick{});
  ASSERT_EQ(world.derived.size(), 1u);
  EXPECT_EQ(world.derived[0], (DeriveRoot{{id, kNoTask}, 2, "work", digest(9), {first_try(id)}}));
  AttemptKey second = first_try(id);
  second.attempt = 2;
  EXPECT_EQ(attempt_spec(world.state, second).root.tree, World::tree_of(world.derived[0]));
  world.end("n1", second, 1);
  world.now = world.now + seconds(10);
  world.put(Tick{});
  ASSERT_EQ(world.derived.size(), 2u);
  EXPECT_EQ(world.derived[1].base, World::tree_of(world.derived[0]));
  EXPECT_EQ(attempt_spec(world.state, second).root.tree, World::tree_of(world.derived[0]));
}

TEST(Derive, AFreshOneSeesTheSnapshotAlone) {
  World world;
  world.sync(world.hello("n1", 4));
  JobSpec spec = simple_job();
  spec.retries = 1;
  spec.fresh = true;
  spec.root.tree = digest(9);
  const JobId id = world.submit(spec);
  world.end("n1", first_try(id), 1);
  world.now = world.now + seconds(10);
  world.put(Tick{});
  EXPECT_TRUE(world.derived.empty());
  AttemptKey second = first_try(id);
  second.attempt = 2;
  EXPECT_EQ(attempt_spec(world.state, second).root.tree, digest(9));
}

TEST(Derive, ATreeThatCannotBeMadeEndsTheTask) {
  World world;
  world.derives = false;
  world.sync(world.hello("n1", 4));
  const JobId first = world.submit(simple_job());
  JobSpec spec = simple_job();
  spec.after_ok = {first};
  const JobId second = world.submit(spec);
  world.end("n1", first_try(first), 0);
  world.put(Derived{{second, kNoTask}, 1, Error{Code::kExhausted, "the store is full", {}}});
  EXPECT_EQ(world.of(second), JobState::kFailed);
  EXPECT_EQ(world.ending(second).status, 125);
}

TEST(Completing, GivesItsRoomBackAtOnce) {
  World world;
  world.sync(world.hello("n1", 1));
  const JobId first = world.submit(simple_job());
  const JobId second = world.submit(simple_job());
  EXPECT_EQ(world.of(second), JobState::kQueued);
  world.report("n1", World::at(first_try(first), Phase::kRunning));
  world.report("n1", World::at(first_try(first), Phase::kCompleting));
  EXPECT_EQ(world.of(first), JobState::kCompleting);
  EXPECT_NE(world.of(second), JobState::kQueued);
  world.end("n1", first_try(first), 0);
  EXPECT_EQ(world.of(first), JobState::kSucceeded);
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

TEST(Completing, IsNoLongerTimed) {
  World world;
  world.sync(world.hello("n1", 1));
  JobSpec spec = simple_job();
  spec.time_limit = seconds(5);
  const JobId id = world.submit(spec);
  ObservedAttempt running = World::at(first_try(id), Phase::kRunning);
  running.timeline.started = world.now;
  world.report("n1", running);
  ObservedAttempt completing = World::at(first_try(id), Phase::kCompleting);
  completing.timeline.started = world.now;
  world.report("n1", completing);
  world.now = world.now + seconds(60);
  world.put(Tick{});
  world.end("n1", first_try(id), 0);
  EXPECT_EQ(world.of(id), JobState::kSucceeded);
}

// The first to end it brings home what it wrote; the next does not wait for that.
TEST(Completing, CancelledItsResultsAreLeft) {
  World world;
  world.sync(world.hello("n1", 2));
  const JobId id = world.submit(simple_job());
  const JobId other = world.submit(simple_job());
  for (const JobId job : {id, other})
    world.report("n1", World::at(first_try(job), Phase::kRunning));
  world.put(Cancel{{id, kNoTask}, 0});
  EXPECT_FALSE(desired(world.state, "n1", first_try(id))->attempt.leave_results);
  for (const JobId job : {id, other}) {
    world.report("n1", World::at(first_try(job), Phase::kCompleting));
  }
  world.put(Cancel{{id, kNoTask}, 0, "nobody was attached"});  // no user's wish
  EXPECT_FALSE(desired(world.state, "n1", first_try(id))->attempt.leave_results);
  for (const JobId job : {id, other}) {
    world.put(Cancel{{job, kNoTask}, 0});
    EXPECT_TRUE(desired(world.state, "n1", first_try(job))->attempt.leave_results);
    world.report("n1", ended_with_results_left(first_try(job), "it was cancelled meanwhile"));
    EXPECT_EQ(world.of(job), JobState::kCancelled);
    EXPECT_EQ(world.ending(job).status, 130);
    EXPECT_EQ(world.ending(job).hint, "devrun apply " + std::to_string(job));
  }
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
}

// Ending an array ends what runs, and what has ended comes home.
TEST(Completing, TasksThatHaveEndedComeHomeWhenOthersAreCancelled) {
  World world;
  world.sync(world.hello("n1", 2));
  JobSpec spec = simple_job();
  spec.array = {{0, 1, 1}};
  const JobId id = world.submit(spec);
  AttemptKey first{id, 0, 0, 1};
  AttemptKey second{id, 1, 0, 1};
  for (const AttemptKey& key : {first, second}) world.report("n1", World::at(key, Phase::kRunning));
  world.report("n1", World::at(first, Phase::kCompleting));
  world.put(Cancel{{id, kNoTask}, 0});
  EXPECT_FALSE(desired(world.state, "n1", first)->attempt.leave_results);
  EXPECT_EQ(desired(world.state, "n1", first)->attempt.goal, Goal::kRun);
  EXPECT_EQ(desired(world.state, "n1", second)->attempt.goal, Goal::kStop);
}

TEST(Completing, ResultsThatCannotComeHomeAreStatus123AndNoReasonToRunAgain) {
  World world;
  world.sync(world.hello("n1", 1));
  JobSpec spec = simple_job();
  spec.retries = 3;
  const JobId id = world.submit(spec);
  world.report("n1", ended_with_results_left(first_try(id), "the store is full"));
  EXPECT_EQ(world.of(id), JobState::kFailed);
  EXPECT_EQ(world.ending(id).status, 123);
  EXPECT_EQ(world.ending(id).hint, "devrun apply 1");
}

}  // namespace
}  // namespace devrun::controller
