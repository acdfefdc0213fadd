// Going on from a backup: what ran goes on, what began since is never begun again, and no number is given twice.
#include "controller/core/restore.h"

#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

// What a controller knows that went back to `kept` events, at their replay.
struct Later : World {
  Later(const std::vector<Event>& kept, Time at) {
    for (const Event& event : kept) apply(state, event);
    events = kept;
    now = at;
    requests = 1000;  // others than those of before
    state.presence.started = at;
    state.schedule.begin(state, at);
  }
  void restored(std::vector<AttemptKey> begun = {}, JobId next_job = 1'000'000) {
    put(Restore{Time{now.us - 60'000'000}, next_job, std::move(begun)});
  }
};

struct TheRestore : ::testing::Test {
  World before;
  JobSpec retried(uint32_t times) {
    JobSpec spec = simple_job();
    spec.retries = times;
    return spec;
  }
};

TEST_F(TheRestore, WhatRanAndRunsStillGoesOnAndNumbersGoOnFarBeyond) {
  before.sync(before.hello("node1", 2));
  const JobId job = before.submit(simple_job());
  before.report("node1", World::at(first_try(job), Phase::kRunning));
  Later later(before.events, before.now);
  later.restored();
  later.sync(later.hello("node1", 2), {World::at(first_try(job), Phase::kRunning)});
  EXPECT_EQ(later.of(job), JobState::kRunning);
  EXPECT_EQ(later.submit(simple_job()), 1'000'000u);
  EXPECT_EQ(later.of(1'000'000), JobState::kStarting);
  later.end("node1", first_try(job), 0);
  EXPECT_EQ(later.of(job), JobState::kSucceeded);
  EXPECT_EQ(later.replayed(), static_cast<const Ledger&>(later.state));
}

TEST_F(TheRestore, NothingStartsBeforeEveryNodeHasSpokenOrIsLost) {
  before.sync(before.hello("node1", 1));
  before.sync(before.hello("node2", 1));
  const JobId big = before.submit(simple_job(64));
  Later later(before.events, before.now);
  later.restored();
  const JobId job = later.submit(simple_job());
  later.sync(later.hello("node1", 1));
  EXPECT_EQ(later.of(job), JobState::kQueued);
  EXPECT_NE(later.reason(job).find("until node2 has said"), std::string::npos) << later.reason(job);
  // A restart of the controller forgets none of that.
  Later again(later.events, later.now);
  EXPECT_TRUE(awaits_nodes(again.state));
  later.put(DeclareLost{"node2", "it burnt"});
  EXPECT_EQ(later.of(job), JobState::kStarting);
  EXPECT_EQ(later.of(big), JobState::kQueued);
}

TEST_F(TheRestore, WhatItsNodeHasLetGoOfIsLostAndTriedAgainOnlyIfAsked) {
  before.sync(before.hello("node1", 4));
  const JobId once = before.submit(simple_job());
  const JobId twice = before.submit(retried(1));
  before.report("node1", World::at(first_try(once), Phase::kRunning));
  before.report("node1", World::at(first_try(twice), Phase::kRunning));
  Later later(before.events, before.now);
  later.restored();
  later.sync(later.hello("node1", 4));
  EXPECT_EQ(later.of(once), JobState::kNodeLost);
  EXPECT_NE(later.ending(once).reason.find("went back to its backup"), std::string::npos);
  later.now = later.now + seconds(120);
  later.put(Tick{});
  EXPECT_EQ(find_task(later.state, {twice, kNoTask})->attempt, 2u);
}

TEST_F(TheRestore, WhatWasPlacedAndNotHeardOfIsNotBegunAgain) {
  before.sync(before.hello("node1", 1));
  const JobId job = before.submit(simple_job());  // placed, and no word of it
  Later later(before.events, before.now);
  later.restored();
  later.sync(later.hello("node1", 1));
  EXPECT_EQ(later.of(job), JobState::kNodeLost);
}

TEST_F(TheRestore, WhatBeganSinceIsLostWhetherTheStoreOrANodeTells) {
  before.sync(before.hello("node1", 1));
  const JobId running = before.submit(simple_job());
  before.report("node1", World::at(first_try(running), Phase::kRunning));
  const JobId by_store = before.submit(simple_job());
  const JobId by_node = before.submit(retried(3));
  const JobId waits = before.submit(simple_job());
  const JobId after = before.submit([&] {
    JobSpec spec = simple_job();
    spec.after_ok = {by_store};
    return spec;
  }());
  Later later(before.events, before.now);
  later.restored({first_try(by_store), first_try(running)});
  EXPECT_EQ(later.of(by_store), JobState::kNodeLost);
  EXPECT_EQ(later.of(after), JobState::kCancelled) << "it can never succeed";
  EXPECT_EQ(later.of(by_node), JobState::kQueued);
  later.sync(later.hello("node1", 1), {World::at(first_try(running), Phase::kRunning),
                                       World::at(first_try(by_node), Phase::kRunning)});
  EXPECT_EQ(later.of(running), JobState::kRunning);
  EXPECT_EQ(later.of(by_node), JobState::kNodeLost) << "retries or not: its numbers are not known";
  EXPECT_EQ(later.of(waits), JobState::kQueued);
  // It still runs there: it is told to end, and the node takes nothing until then.
  EXPECT_EQ(later.state.presence.nodes.at("node1").strays.size(), 1u);
  later.end("node1", first_try(by_node), 137);
  later.end("node1", first_try(running), 0);
  EXPECT_EQ(later.of(waits), JobState::kStarting);
  EXPECT_EQ(later.replayed(), static_cast<const Ledger&>(later.state));
}

TEST_F(TheRestore, AnAttemptThatAnotherHasFollowedSinceIsOver) {
  before.sync(before.hello("node1", 1));
  const JobId job = before.submit(retried(5));
  before.report("node1", World::at(first_try(job), Phase::kRunning));
  Later later(before.events, before.now);
  AttemptKey second = first_try(job);
  second.attempt = 2;
  later.restored({second});
  EXPECT_EQ(later.of(job), JobState::kNodeLost);
  later.sync(later.hello("node1", 1), {World::at(second, Phase::kRunning)});
  EXPECT_EQ(later.state.presence.nodes.at("node1").strays.count(second), 1u);
  const JobId next = later.submit(simple_job());
  EXPECT_EQ(later.of(next), JobState::kQueued);
  later.end("node1", second, 137);
  EXPECT_EQ(later.of(next), JobState::kStarting);
}

TEST_F(TheRestore, OfAnArrayTheTasksThatBeganSinceAreLostAndTheOthersRun) {
  before.sync(before.hello("node1", 1));
  JobSpec spec = simple_job();
  spec.array = {{0, 3, 1}};
  const JobId job = before.submit(spec);
  before.report("node1", World::at(first_try(job, 0), Phase::kRunning));
  Later later(before.events, before.now);
  later.restored({first_try(job, 1), first_try(job, 2), first_try(job, 9)});
  later.sync(later.hello("node1", 1), {World::at(first_try(job, 0), Phase::kRunning)});
  later.end("node1", first_try(job, 0), 0);
  EXPECT_TRUE(find_task(later.state, {job, 1})->outcome);
  EXPECT_TRUE(find_task(later.state, {job, 2})->outcome);
  EXPECT_TRUE(is_placed(*find_task(later.state, {job, 3})));
  later.end("node1", first_try(job, 3), 0);
  EXPECT_EQ(later.of(job), JobState::kNodeLost);
}

TEST_F(TheRestore, WithoutABackupAStrayOfANumberAheadIsAStrayAsEver) {
  before.sync(before.hello("node1", 1));
  const JobId job = before.submit(simple_job(8));
  before.report("node1", World::at(first_try(job), Phase::kRunning));
  EXPECT_EQ(before.of(job), JobState::kQueued);
}

}  // namespace
}  // namespace devrun::controller::testing
