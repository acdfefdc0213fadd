// What keys and pushed changes do to the monitor.
#include "tui/model/model.h"

#include <gtest/gtest.h>

#include "tests/unit/tui/view/sample_cluster.h"

namespace devrun::tui {
namespace {

class Monitor : public testing::Test {
 protected:
  void SetUp() override { update(model_, sample_cluster()); }
  std::vector<Command> press(char32_t c) { return update(model_, key(c)); }
  Model model_;
};

TEST_F(Monitor, LivingJobsComeFirstNewestFirst) {
  std::vector<JobId> ids;
  for (const JobRow* job : visible_jobs(model_)) ids.push_back(job->id);
  EXPECT_EQ(ids, (std::vector<JobId>{43, 42, 41, 39, 40}));
  EXPECT_EQ(model_.selected, 43u);
}

TEST_F(Monitor, SelectionStaysOnItsJobWhenOthersAppear) {
  press(U'j');
  EXPECT_EQ(model_.selected, 42u);
  Pushed more;
  more.jobs = {sample_job(44, JobState::kQueued, "true")};
  update(model_, more);
  EXPECT_EQ(model_.selected, 42u);
}

TEST_F(Monitor, FilterTakesWordsAndTheirInverse) {
  const JobRow& job = model_.jobs.at(41);
  EXPECT_TRUE(matches(job, "train"));
  EXPECT_TRUE(matches(job, "TRAIN user:ada state:running"));
  EXPECT_TRUE(matches(job, "node1"));
  EXPECT_FALSE(matches(job, "!train"));
  EXPECT_FALSE(matches(job, "train state:queued"));
  EXPECT_TRUE(matches(job, ""));
}

TEST_F(Monitor, EscRestoresTheFilterThatWas) {
  press(U'/');
  press(U'4');
  press(U'1');
  EXPECT_EQ(visible_jobs(model_).size(), 1u);
  press(U'\x1b');
  EXPECT_EQ(model_.filter, "");
  EXPECT_EQ(visible_jobs(model_).size(), 5u);
}

TEST_F(Monitor, CancelAsksAndOnlyYCancels) {
  EXPECT_TRUE(press(U'x').empty());
  EXPECT_TRUE(press(U'n').empty());
  press(U'x');
  const auto commands = press(U'y');
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(std::get<CancelJob>(commands[0]).job, 43u);
}

TEST_F(Monitor, AnOpenJobIsFetchedAtOnceAndWhileItLives) {
  press(U'j');
  press(U'j');
  ASSERT_EQ(model_.selected, 41u);
  EXPECT_TRUE(update(model_, Ticked{}).empty());
  const auto opened = press(U'\r');
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(std::get<FetchJob>(opened[0]).job, 41u);
  JobRow row = model_.jobs.at(41);
  row.attempts[0].output_bytes = 99'999;
  update(model_, JobFetched{row});
  EXPECT_EQ(details_of(model_, 41)->attempts[0].output_bytes, 99'999);
  EXPECT_EQ(update(model_, Ticked{}).size(), 1u);
  row.state = JobState::kSucceeded;
  update(model_, JobFetched{row});
  EXPECT_TRUE(update(model_, Ticked{}).empty()) << "it will not change any more";
  JobRow other = model_.jobs.at(42);
  update(model_, JobFetched{other});
  EXPECT_EQ(model_.details->id, 41u) << "an answer that came too late";
}

TEST_F(Monitor, EndedJobsAreNotCancelled) {
  press(U'G');
  ASSERT_EQ(model_.selected, 40u);
  press(U'x');
  EXPECT_FALSE(model_.confirming_cancel);
  EXPECT_EQ(model_.notice, "the job has ended");
}

TEST_F(Monitor, LogOpensFollowsAndGoesBackWhereItCameFrom) {
  press(U'j');
  const auto opened = press(U'l');
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(std::get<OpenLog>(opened[0]).of, (AttemptKey{42, kNoTask, 0, 1}));
  EXPECT_TRUE(model_.log.follow);
  const auto closed = press(U'\x1b');
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<CloseLog>(closed[0]));
  EXPECT_EQ(model_.screen, Screen::kJobs);
}

TEST_F(Monitor, LosingTheControllerKeepsWhatIsKnown) {
  update(model_, ConnectionLost{"away"});
  EXPECT_FALSE(model_.connected);
  EXPECT_EQ(model_.jobs.size(), 5u);
  update(model_, sample_cluster());
  EXPECT_TRUE(model_.connected);
}

TEST_F(Monitor, CtrlCQuitsFromAnywhere) {
  press(U'/');
  const auto commands = press(0x03);
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Quit>(commands[0]));
}

}  // namespace
}  // namespace devrun::tui
