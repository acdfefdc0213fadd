// Ended jobs leave the ledger when nobody needs them there, and are as before once they are recalled.
#include "controller/core/archive.h"

#include "tests/unit/controller/core/world.h"

namespace devrun::controller {
namespace {

using testing::first_try;
using testing::simple_job;
using testing::World;

constexpr size_t kAll = 1'000'000;

struct Archiving : World {
  Archiving() { sync(hello("n1", 8)); }

  // One that has run and whose output is stored.
  JobId ended(int32_t status = 0) {
    const JobId job = submit(simple_job());
    end("n1", first_try(job), status);
    put(OutputStored{first_try(job)});
    return job;
  }
  std::vector<JobId> due() { return jobs_to_archive(state, now, kAll); }
  // What the history would have.
  Job archive(JobId id) {
    const Job record = state.jobs.at(id);
    put(Archived{{id}});
    EXPECT_EQ(state.jobs.count(id), 0u);
    return record;
  }
};

TEST(Archive, TakesWhatEndedLongAgoOrIsTooMany) {
  Archiving world;
  const JobId first = world.ended();
  world.now = world.now + seconds(60);
  const JobId second = world.ended(3);
  EXPECT_TRUE(world.due().empty());
  world.now = world.now + seconds(3600 - 30);
  EXPECT_EQ(world.due(), std::vector<JobId>{first});
  world.state.policy.ended_in_memory_max = 0;
  EXPECT_EQ(world.due(), (std::vector<JobId>{first, second}));
  EXPECT_EQ(jobs_to_archive(world.state, world.now, 1), std::vector<JobId>{first});
  world.archive(first);
  world.archive(second);
  EXPECT_TRUE(world.state.ended.empty());
  EXPECT_TRUE(world.state.requests.empty());
  EXPECT_TRUE(world.replayed() == static_cast<const Ledger&>(world.state));
  EXPECT_GT(world.submit(simple_job()), second);
}

TEST(Archive, LeavesWhatANodeKeepsOrSomebodyWaitsFor) {
  Archiving world;
  world.state.policy.keep_in_memory = {};
  const JobId kept = world.submit(simple_job());
  world.end("n1", first_try(kept), 0);
  EXPECT_TRUE(world.due().empty());
  world.put(Archived{{kept}});
  EXPECT_EQ(world.state.jobs.count(kept), 1u);
  world.put(OutputStored{first_try(kept)});
  EXPECT_EQ(world.due(), std::vector<JobId>{kept});

  JobSpec after = simple_job(100);
  after.after_ok = {kept};
  const JobId waits = world.submit(after);
  EXPECT_TRUE(world.due().empty());
  world.put(Archived{{kept, waits, 77}});
  EXPECT_EQ(world.state.jobs.count(kept), 1u);
  world.put(Cancel{{waits, kNoTask}, 0});
  EXPECT_EQ(world.due(), (std::vector<JobId>{kept, waits}));
}

TEST(Archive, ARecalledJobIsAsBefore) {
  Archiving world;
  const JobId over = world.ended(3);
  const JobId good = world.ended();
  const auto view = view_task(world.state, {over, kNoTask}, world.now);
  const Job over_record = world.archive(over);
  const Job good_record = world.archive(good);
  EXPECT_EQ(find_job(world.state, over), nullptr);

  JobSpec after = simple_job(100);
  after.after_ok = {good, over};
  const Submit submission{"after", after, {}};
  EXPECT_EQ(absent_jobs(world.state, submission), (std::vector<JobId>{over, good}));
  EXPECT_TRUE(absent_jobs(world.state, Cancel{{good + 1, kNoTask}, 0}).empty());
  EXPECT_FALSE(world.put(submission));
  world.put(Recall{over_record});
  world.put(Recall{good_record});
  EXPECT_TRUE(absent_jobs(world.state, submission).empty());
  EXPECT_TRUE(view_task(world.state, {over, kNoTask}, world.now) == view);
  EXPECT_EQ(world.put(submission).error().code, Code::kConflict);
  after.after_ok = {good};
  const JobId waits = world.submit(after);

  // Nobody is crowded out for whom a job waits.
  world.state.policy.recalled_max = 0;
  world.now = world.now + seconds(60);
  world.put(Tick{});
  EXPECT_EQ(find_job(world.state, over), nullptr);
  EXPECT_NE(find_job(world.state, good), nullptr);
  // After a restart it is asked for again.
  Ledger found = world.replayed();
  EXPECT_TRUE(found == static_cast<const Ledger&>(world.state));
  EXPECT_EQ(absent_dependencies(found), std::vector<JobId>{good});
  world.put(Cancel{{waits, kNoTask}, 0});
  world.put(Tick{});
  EXPECT_EQ(find_job(world.state, good), nullptr);
}

// The order in which users' jobs go counts what their archived jobs have used, before and after a restart.
TEST(Archive, WhatWasUsedStillCounts) {
  Archiving world;
  for (int i = 0; i < 3; ++i) {
    const JobId job = world.submit(simple_job());
    world.now = world.now + seconds(1000);
    world.end("n1", first_try(job), 0);
    world.put(OutputStored{first_try(job)});
  }
  const Duration half_life = world.state.policy.fair_share.half_life;
  const auto used = [&] {
    return usage_at(*world.state.schedule.account_of_user("ada"), world.now, half_life);
  };
  const double before = used();
  EXPECT_GT(before, 2900);
  for (const JobId job : {JobId{2}, JobId{1}, JobId{3}}) {
    world.archive(job);
    world.now = world.now + seconds(10'000);
  }
  const double after = used();
  EXPECT_LT(after, before);
  static_cast<Ledger&>(world.state) = world.replayed();
  world.state.schedule.begin(world.state, world.now);
  EXPECT_NEAR(used(), after, 1e-6 * after);
}

TEST(Archive, WhoWaitsForAJobThatIsForgottenEndsWithTheReason) {
  Archiving world;
  const JobId good = world.ended();
  world.archive(good);
  Ledger found = world.replayed();
  JobSpec after = simple_job();
  after.after_ok = {good};
  apply(found, {world.now, JobSubmitted{7, "after", after, {}}});
  static_cast<Ledger&>(world.state) = found;
  world.state.schedule.begin(world.state, world.now);
  world.put(Tick{});
  EXPECT_EQ(world.of(7), JobState::kFailed);
  EXPECT_NE(world.ending(7).reason.find("nothing is known of job 1"), std::string::npos)
      << world.ending(7).reason;
}

// A node that was given up comes back with an attempt of an archived job: what it wrote is fetched before it may go.
TEST(Archive, ANodeThatComesBackIsHeard) {
  Archiving world;
  const JobId job = world.submit(simple_job());
  world.report("n1", World::at(first_try(job), Phase::kRunning));
  world.put(NodeGone{"n1", world.sessions});
  world.put(DeclareLost{"n1", "gone"});
  const Job record = world.archive(job);
  const Synchronized back{
      world.hello("n1", 8), 9, {World::at(first_try(job), Phase::kRunning)}, {}, {}};
  EXPECT_EQ(absent_jobs(world.state, back), std::vector<JobId>{job});
  world.put(Recall{record});
  world.put(back);
  EXPECT_EQ(desired(world.state, "n1", first_try(job))->attempt.goal, Goal::kStop);
  world.state.policy.recalled_max = 0;
  world.now = world.now + seconds(60);
  world.put(Tick{});
  EXPECT_NE(find_job(world.state, job), nullptr);
  world.end("n1", first_try(job), 0);
  EXPECT_TRUE(world.did(ExpectOutput{first_try(job), 0}));
  EXPECT_FALSE(world.did(Release{"n1", first_try(job)}));
  EXPECT_EQ(desired(world.state, "n1", first_try(job))->attempt.goal, Goal::kStop);
  world.put(OutputStored{first_try(job)});
  EXPECT_TRUE(world.did(Release{"n1", first_try(job)}));
  world.put(Tick{});
  EXPECT_EQ(find_job(world.state, job), nullptr);
}

}  // namespace
}  // namespace devrun::controller
