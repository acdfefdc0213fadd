// What is typed at the bottom: it is there again with ↑; a node's jobs give the filter back that was there.
#include <gtest/gtest.h>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/model/keys.h"

namespace devrun::tui {
namespace {

class Typing : public testing::Test {
 protected:
  void SetUp() override { update(model_, sample_cluster()); }
  void press(Special special) { tui::press(model_, Key{0, special}); }
  Model model_;
};

TEST(History, KeepsEachLineOnceAndTheNewestOnly) {
  History history;
  for (const char* line : {"a", "b", "", "  ", "a"}) history.add(line);
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history.line(1), "a");
  EXPECT_EQ(history.line(2), "b");
  for (size_t i = 0; i < 2 * kTypedMax; ++i) history.add(std::to_string(i));
  EXPECT_EQ(history.size(), kTypedMax);
  EXPECT_EQ(history.line(kTypedMax), std::to_string(kTypedMax));
}

TEST_F(Typing, UpAndDownGoThroughWhatWasTypedBefore) {
  type(model_, ":sort gpu\r:sort cpu\r:so");
  press(Special::kUp);
  EXPECT_EQ(model_.prompt.text, "sort cpu");
  press(Special::kUp);
  press(Special::kUp);
  EXPECT_EQ(model_.prompt.text, "sort gpu") << "there is no earlier one";
  press(Special::kDown);
  press(Special::kDown);
  EXPECT_EQ(model_.prompt.text, "so") << "what was begun is not lost";
  press(Special::kDown);
  EXPECT_EQ(model_.prompt.text, "so");
  type(model_, "\x10x");
  EXPECT_EQ(model_.prompt.text, "sort cpux");
  press(Special::kUp);
  EXPECT_EQ(model_.prompt.text, "sort cpu") << "from what was changed it begins anew";
}

TEST_F(Typing, AFilterFromBeforeCountsAtOnceAndIsNoCommand) {
  type(model_, ":sort gpu\r/big\r\x1b/");
  EXPECT_EQ(visible_jobs(model_).size(), 5u);
  press(Special::kUp);
  EXPECT_EQ(model_.prompt.text, "big");
  EXPECT_EQ(visible_jobs(model_).size(), 1u);
  press(Special::kUp);
  EXPECT_EQ(model_.prompt.text, "big") << "commands are remembered apart";
  press(Special::kDown);
  EXPECT_EQ(visible_jobs(model_).size(), 5u);
  type(model_, "\x1bgl/epoch\r/");
  EXPECT_EQ(model_.prompt.text, "");
  press(Special::kUp);
  EXPECT_EQ(model_.prompt.text, "epoch") << "and so is what was searched for";
}

TEST_F(Typing, AfterTheJobsOfANodeTheFilterIsWhatItWas) {
  type(model_, "/python !sweep\r2\r");
  EXPECT_EQ(model_.screen, Screen::kJobs);
  EXPECT_EQ(model_.filter, "node:^node1$");
  type(model_, "l");
  press(Special::kEscape);
  EXPECT_EQ(model_.filter, "node:^node1$") << "a look at an output is no end of it";
  press(Special::kEscape);
  EXPECT_EQ(model_.screen, Screen::kNodes);
  EXPECT_EQ(model_.filter, "python !sweep");
  for (const char* keys : {"\r1", "\r31", "\r\t1"}) {
    type(model_, "2");
    type(model_, keys);
    EXPECT_EQ(model_.screen, Screen::kJobs);
    EXPECT_EQ(model_.filter, "python !sweep") << keys;
  }
  type(model_, "2j\r/ train\r");
  EXPECT_EQ(model_.filter, "node:^node2$ train") << "now it is the user's own";
  press(Special::kEscape);
  EXPECT_EQ(model_.filter, "");
  EXPECT_EQ(model_.screen, Screen::kJobs);
}

TEST_F(Typing, SortingByNameShowsWhatItSorts) {
  type(model_, "2:sort job\r");
  EXPECT_EQ(model_.screen, Screen::kJobs);
  EXPECT_EQ(model_.list.lines[0].job, 43u);
}

TEST_F(Typing, TheNextColumnIsOneThatIsSeen) {
  update(model_, Resized{24, 80});
  std::vector<SortBy> seen;
  do {
    type(model_, "o");
    seen.push_back(model_.list.sort);
  } while (model_.list.sort != SortBy::kAge && seen.size() < 20);
  EXPECT_EQ(seen, (std::vector<SortBy>{SortBy::kJob, SortBy::kState, SortBy::kNode, SortBy::kTime,
                                       SortBy::kGpu, SortBy::kCommand, SortBy::kAge}));
  type(model_, "O");
  EXPECT_EQ(model_.list.sort, SortBy::kCommand);
}

TEST_F(Typing, OfJobsTheNewestAreOfferedFirst) {
  update(model_, [] {
    Pushed more;
    more.jobs = {sample_job(9, JobState::kQueued, "true"),
                 sample_job(100, JobState::kQueued, "true")};
    return more;
  }());
  EXPECT_EQ(completions(model_, "explain "),
            (std::vector<std::string>{"100", "43", "42", "41", "40", "39", "9"}));
}

TEST_F(Typing, AJobIsScrolledAsFarAsItGoes) {
  update(model_, Resized{12, 80});
  press(Special::kEnter);
  update(model_, JobDrawn{35});
  for (int i = 0; i < 9; ++i) press(Special::kPageDown);
  EXPECT_EQ(model_.job_top, 25u);
  press(Special::kPageUp);
  EXPECT_EQ(model_.job_top, 16u) << "at once, and a row of what was seen stays";
  type(model_, "G");
  EXPECT_EQ(model_.job_top, 25u);
  update(model_, JobDrawn{20});
  EXPECT_EQ(model_.job_top, 10u) << "it has become shorter";
  type(model_, "g");
  EXPECT_EQ(model_.job_top, 0u);
}

}  // namespace
}  // namespace devrun::tui
