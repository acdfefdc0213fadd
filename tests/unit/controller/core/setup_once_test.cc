// Setup steps that are run once: who runs them, who waits, and what follows from their ends.
#include <gtest/gtest.h>

#include "tests/unit/controller/core/world.h"

namespace devrun::controller {
namespace {

using testing::digest;
using testing::first_try;
using testing::simple_job;
using testing::World;

JobSpec with_setup(uint8_t tree, uint8_t key = 100) {
  JobSpec spec = simple_job();
  spec.root.tree = digest(tree);
  spec.program.setup = {"make-it"};
  spec.setup_once.key = digest(key);
  spec.setup_once.family = digest(200);
  spec.paths = {{"/root", {}, PathKind::kHome},
                {"/root", "__pycache__", PathKind::kNode},
                {"/tmp", {}, PathKind::kGone}};
  return spec;
}

class SetupOnceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world_.derives = false;
    world_.sync(world_.hello("n1", 8));
    world_.sync(world_.hello("n2", 8));
  }
  // The newest question about a tree for that job.
  const DeriveRoot* asked(JobId job) {
    const DeriveRoot* out = nullptr;
    for (const Effect& effect : world_.effects) {
      const auto* const derive = std::get_if<DeriveRoot>(&effect);
      if (derive != nullptr && derive->task.job == job) out = derive;
    }
    return out;
  }
  void answer(JobId job, SetupHow how, uint8_t tree, uint8_t plain, JobId from = 0) {
    world_.put(Derived{
        {job, kNoTask}, 1, digest(tree), Derived::Setup{how, digest(plain), from, "because"}});
  }
  // A job whose setup nothing is known of in that tree: its run is the next one's number, unless another runs.
  JobId submit_cold(uint8_t tree) {
    const JobId id = world_.submit(with_setup(tree));
    answer(id, SetupHow::kCold, tree, tree);
    return id;
  }
  const Job& job(JobId id) { return world_.state.jobs.at(id); }
  std::string node_of(JobId id) {
    const Task& task = job(id).tasks.at(kNoTask);
    return task.ranks.empty() ? "" : task.ranks[0].node;
  }

  World world_;
};

TEST_F(SetupOnceTest, AHitIsPlacedAtOnceWithoutTheStep) {
  const JobId id = world_.submit(with_setup(9));
  ASSERT_NE(asked(id), nullptr);
  EXPECT_EQ(asked(id)->setup->which.key, digest(100));
  EXPECT_EQ(world_.of(id), JobState::kQueued);
  answer(id, SetupHow::kHit, 7, 9, 3);
  const AttemptSpec spec = attempt_spec(world_.state, first_try(id));
  EXPECT_EQ(spec.root.tree, digest(7));
  EXPECT_TRUE(spec.program.setup.empty());
  EXPECT_TRUE(spec.tmp_in_root);
  EXPECT_EQ(spec.setup_for_ranks, 0u);
  EXPECT_EQ(job(id).setup->how, SetupHow::kHit);
  EXPECT_EQ(job(id).setup->plain, digest(9));
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, AHitThatWasFoundBeforehandIsPlacedWithItsSubmission) {
  const Submit::SetupHit hit{digest(7), 3, "nothing has changed"};
  const auto submitted = world_.put(Submit{"r1", with_setup(9), {}, hit});
  const JobId id = std::get<Submitted>(*submitted).job;
  EXPECT_EQ(asked(id), nullptr);
  const AttemptSpec spec = attempt_spec(world_.state, first_try(id));
  EXPECT_EQ(spec.root.tree, digest(7));
  EXPECT_TRUE(spec.program.setup.empty());
  EXPECT_TRUE(spec.tmp_in_root);
  EXPECT_EQ(job(id).setup->how, SetupHow::kHit);
  EXPECT_EQ(job(id).setup->run, 3u);
  EXPECT_EQ(job(id).setup->plain, digest(9));
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, ANearRunThatFailsIsRunColdOnceForAllWhoWaited) {
  const JobId id = world_.submit(with_setup(9));
  answer(id, SetupHow::kNear, 8, 9, 3);
  const JobId near = id + 1;
  const JobId other = world_.submit(with_setup(9));
  answer(other, SetupHow::kNear, 8, 9, 3);
  EXPECT_EQ(job(other).setup->run, near);
  EXPECT_TRUE(attempt_spec(world_.state, first_try(near)).reads_if_failed);
  world_.end(node_of(near), first_try(near), 1);
  EXPECT_EQ(world_.of(near), JobState::kFailed);
  EXPECT_EQ(world_.of(id), JobState::kQueued);
  for (const JobId waits : {id, other}) {
    ASSERT_NE(asked(waits), nullptr);
    EXPECT_EQ(asked(waits)->setup->failed, first_try(near));
    EXPECT_EQ(asked(waits)->setup->failed_from, 3u);
    EXPECT_EQ(asked(waits)->setup->began_with, digest(8));
    EXPECT_EQ(asked(waits)->setup->ran, std::nullopt);
  }
  answer(id, SetupHow::kCold, 9, 9);
  answer(other, SetupHow::kCold, 9, 9);
  const JobId cold = other + 1;
  for (const JobId waits : {id, other}) {
    EXPECT_EQ(job(waits).setup->run, cold);
    EXPECT_EQ(job(waits).setup->how, SetupHow::kCold);
  }
  EXPECT_FALSE(attempt_spec(world_.state, first_try(cold)).reads_if_failed);
  EXPECT_EQ(attempt_spec(world_.state, first_try(cold)).root.tree, digest(9));
  EXPECT_EQ(job(cold).spec.setup_run->from, 0u);
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
  world_.end(node_of(cold), first_try(cold), 7);
  for (const JobId waited : {id, other}) {
    EXPECT_EQ(world_.of(waited), JobState::kFailed);
    EXPECT_EQ(world_.ending(waited).status, 7);
  }
}

TEST_F(SetupOnceTest, ANearRunThatWouldFailColdAsWellEndsAllWhoWaited) {
  const JobId id = world_.submit(with_setup(9));
  answer(id, SetupHow::kNear, 8, 9, 3);
  const JobId near = id + 1;
  world_.end(node_of(near), first_try(near), 7);
  ASSERT_NE(asked(id), nullptr);
  Derived::Setup stands{SetupHow::kCold, digest(9), 0, "because"};
  stands.stands = true;
  world_.put(Derived{{id, kNoTask}, 1, digest(9), stands});
  EXPECT_EQ(world_.of(id), JobState::kFailed);
  EXPECT_EQ(world_.ending(id).status, 7);
  EXPECT_FALSE(world_.state.jobs.contains(near + 1));
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, AfterANearFailureNobodysNearRunIsShared) {
  const JobId id = world_.submit(with_setup(9));
  answer(id, SetupHow::kNear, 8, 9, 3);
  const JobId near = id + 1;
  const JobId other = world_.submit(with_setup(10));
  answer(other, SetupHow::kNear, 11, 10, 3);
  EXPECT_EQ(job(other).setup->run, near);
  world_.end(node_of(near), first_try(near), 1);
  answer(other, SetupHow::kNear, 11, 10, 3);  // another tree: that failure says nothing of it
  const JobId second = other + 1;
  EXPECT_EQ(job(other).setup->run, second);
  answer(id, SetupHow::kCold, 9, 9);
  const JobId cold = second + 1;
  EXPECT_EQ(job(id).setup->run, cold);
  EXPECT_EQ(job(cold).spec.setup_run->from, 0u);
}

TEST_F(SetupOnceTest, AMissIsAJobOfItsOwnAndTheOtherBeginsWithWhatItLeft) {
  JobSpec gang = with_setup(9);
  gang.nodes = 2;
  const JobId id = world_.submit(gang);
  answer(id, SetupHow::kNear, 8, 9, 3);
  const JobId run = id + 1;
  const AttemptSpec step = attempt_spec(world_.state, first_try(run));
  EXPECT_EQ(step.root.tree, digest(8));
  EXPECT_EQ(step.program.argv, std::vector<std::string>{"make-it"});
  EXPECT_EQ(step.setup_for_ranks, 2u);
  EXPECT_EQ(step.ranks, 1u);
  EXPECT_EQ(step.results, Results::kKeep);
  EXPECT_EQ(kind_of_path(step.paths, "/root/x"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(step.paths, "/root/__pycache__/x"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(step.paths, "/tmp/x"), PathKind::kKept);
  EXPECT_EQ(job(run).spec.setup_run->plain, digest(9));
  EXPECT_EQ(job(run).spec.setup_run->from, 3u);
  EXPECT_EQ(world_.of(id), JobState::kQueued);
  EXPECT_NE(world_.reason(id).find("its setup runs as job"), std::string::npos);
  world_.end(node_of(run), first_try(run), 0);
  ASSERT_NE(asked(id), nullptr);
  EXPECT_EQ(asked(id)->setup->ran, first_try(run));
  EXPECT_EQ(asked(id)->setup->began_with, digest(8));
  answer(id, SetupHow::kHit, 7, 9, run);
  EXPECT_EQ(job(id).tasks.at(kNoTask).ranks.size(), 2u);
  EXPECT_EQ(attempt_spec(world_.state, first_try(id, kNoTask, 1)).root.tree, digest(7));
  EXPECT_EQ(job(id).setup->how, SetupHow::kNear) << "it stays known that it ran";
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, ARestartGoesOnWithTheRun) {
  const JobId id = submit_cold(9);
  static_cast<Ledger&>(world_.state) = world_.replayed();
  world_.state.presence.deriving.clear();
  world_.state.schedule.begin(world_.state, world_.now);
  world_.end(node_of(id + 1), first_try(id + 1), 0);
  ASSERT_NE(asked(id), nullptr);
  EXPECT_TRUE(asked(id)->setup->ran);
}

TEST_F(SetupOnceTest, OthersWithTheSameKeyWaitForTheOneRunAndThenLookAgain) {
  const JobId first = submit_cold(9);
  const JobId run = first + 1;
  const JobId second = submit_cold(10);
  EXPECT_EQ(world_.state.jobs.size(), 3u) << "no second run";
  EXPECT_TRUE(job(second).setup->waits);
  EXPECT_NE(world_.reason(second).find("another launch"), std::string::npos);
  const JobId other = world_.submit(with_setup(9, 101));
  answer(other, SetupHow::kCold, 9, 9);
  EXPECT_EQ(world_.state.jobs.size(), 5u) << "another key has a run of its own";
  world_.end(node_of(run), first_try(run), 0);
  ASSERT_NE(asked(second), nullptr);
  EXPECT_FALSE(asked(second)->setup->ran) << "it was not for its tree";
  answer(second, SetupHow::kHit, 7, 10, run);
  EXPECT_EQ(attempt_spec(world_.state, first_try(second)).root.tree, digest(7));
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, AFailedRunEndsThoseOfItsTreeWithItsStatus) {
  const JobId first = submit_cold(9);
  const JobId run = first + 1;
  const JobId same = submit_cold(9);
  const JobId another = submit_cold(10);
  world_.end(node_of(run), first_try(run), 7);
  for (const JobId id : {first, same}) {
    EXPECT_EQ(world_.of(id), JobState::kFailed);
    EXPECT_EQ(world_.ending(id).status, 7);
    EXPECT_NE(world_.ending(id).reason.find("its setup, job"), std::string::npos);
    EXPECT_TRUE(job(id).tasks.at(kNoTask).ranks.empty());
  }
  EXPECT_EQ(world_.of(another), JobState::kQueued);
  ASSERT_NE(asked(another), nullptr) << "its own inputs may be better";
  answer(another, SetupHow::kCold, 10, 10);
  EXPECT_FALSE(job(another).setup->waits);
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, ARunThatNobodyWantsAnyMoreIsCancelled) {
  const JobId first = submit_cold(9);
  const JobId run = first + 1;
  const JobId second = submit_cold(9);
  world_.put(Cancel{{first, kNoTask}});
  EXPECT_EQ(world_.of(first), JobState::kCancelled);
  EXPECT_FALSE(job(run).tasks.at(kNoTask).stop) << "another waits for it";
  world_.put(Cancel{{second, kNoTask}});
  EXPECT_TRUE(job(run).tasks.at(kNoTask).stop.has_value());
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, AnArrayHasOneStepForAllItsTasks) {
  JobSpec spec = with_setup(9);
  spec.array = {{0, 3, 1}};
  const JobId id = world_.submit(spec);
  answer(id, SetupHow::kCold, 9, 9);
  EXPECT_TRUE(job(id + 1).spec.array.empty());
  world_.end(node_of(id + 1), first_try(id + 1), 0);
  answer(id, SetupHow::kHit, 7, 9, id + 1);
  for (int32_t task = 0; task < 4; ++task) {
    EXPECT_EQ(attempt_spec(world_.state, first_try(id, task)).root.tree, digest(7));
  }
  JobSpec failing = with_setup(9, 101);
  failing.array = {{0, 3, 1}};
  const JobId second = world_.submit(failing);
  answer(second, SetupHow::kCold, 9, 9);
  world_.end(node_of(second + 1), first_try(second + 1), 3);
  EXPECT_EQ(world_.of(second), JobState::kFailed);
  EXPECT_EQ(world_.ending(second).status, 3);
}

// Found by the simulation.
TEST_F(SetupOnceTest, ARunThatWaitsForMoreThanTheJobNeedsIsNotWaitedFor) {
  JobSpec large = with_setup(9);
  large.per_node.cpu_milli = 64'000;
  const JobId first = world_.submit(large);
  answer(first, SetupHow::kCold, 9, 9);
  EXPECT_TRUE(node_of(first + 1).empty()) << "there is no such node";
  const JobId second = submit_cold(9);
  EXPECT_EQ(job(second).setup->run, second + 1);
  EXPECT_FALSE(node_of(second + 1).empty());
  // Both are over at some time, in either order.
  world_.end(node_of(second + 1), first_try(second + 1), 0);
  world_.put(Cancel{{first, kNoTask}});
  EXPECT_TRUE(job(first + 1).outcome);
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

// Ctrl-C and the same command again.
TEST_F(SetupOnceTest, ARunThatIsBeingEndedIsNotJoined) {
  const JobId first = submit_cold(9);
  const JobId run = first + 1;
  world_.put(Cancel{{first, kNoTask}});
  ASSERT_TRUE(job(run).tasks.at(kNoTask).stop) << "it has its grace";
  const JobId again = submit_cold(9);
  EXPECT_EQ(job(again).setup->run, again + 1);
  world_.end(node_of(run), first_try(run), 130);
  EXPECT_FALSE(job(again).outcome);
  EXPECT_EQ(world_.replayed(), static_cast<const Ledger&>(world_.state));
}

TEST_F(SetupOnceTest, ARunThatHasLessThanWasAskedForIsNotJoined) {
  const JobId first = submit_cold(9);
  JobSpec spec = with_setup(9);
  spec.per_node.memory_bytes += 1 << 30;
  const JobId more = world_.submit(spec);
  answer(more, SetupHow::kCold, 9, 9);
  EXPECT_EQ(job(more).setup->run, more + 1);
  const JobId same = submit_cold(9);
  EXPECT_EQ(job(same).setup->run, more + 1) << "the newest, which has enough";
  EXPECT_NE(job(first).setup->run, job(same).setup->run);
}

TEST_F(SetupOnceTest, AFreshOneHasARunOfItsOwn) {
  submit_cold(9);
  JobSpec spec = with_setup(9);
  spec.setup_once.fresh = true;
  const JobId second = world_.submit(spec);
  answer(second, SetupHow::kCold, 9, 9);
  EXPECT_EQ(job(second).setup->run, second + 1);
}

TEST_F(SetupOnceTest, WhatItWaitsForComesBeforeItsStep) {
  const JobId first = world_.submit(simple_job());
  JobSpec spec = with_setup(9);
  spec.after_ok = {first};
  const JobId id = world_.submit(spec);
  EXPECT_EQ(asked(id), nullptr);
  world_.end(node_of(first), first_try(first), 0);
  ASSERT_NE(asked(id), nullptr);
  EXPECT_EQ(asked(id)->over, std::vector<AttemptKey>{first_try(first)});
  EXPECT_TRUE(asked(id)->setup);
}

}  // namespace
}  // namespace devrun::controller
