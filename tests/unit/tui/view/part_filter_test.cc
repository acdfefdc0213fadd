// Filters reach the tasks of arrays and the ranks of gangs, which then lie open below their job's row.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/model/keys.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

class PartFilters : public testing::Test {
 protected:
  void SetUp() override {
    update(model_, Resized{24, 120});
    update(model_, sample_cluster());
  }
  std::vector<JobId> fetched_by(std::string_view keys) {
    std::vector<JobId> out;
    for (const char c : keys) {
      for (const Command& command : press(model_, key(static_cast<char32_t>(c)))) {
        if (const auto* fetch = std::get_if<FetchJob>(&command)) out.push_back(fetch->job);
      }
    }
    return out;
  }
  // "39 39_3 42.1": jobs, and the parts below them.
  std::string rows() {
    std::string out;
    for (const ListLine& line : model_.list.lines) {
      std::string name = std::to_string(line.job);
      if (line.part) {
        name = line.part->task != kNoTask ? to_string(line.part->task_key())
                                          : name + "." + std::to_string(line.part->rank);
      }
      out += (out.empty() ? "" : " ") + name;
    }
    return out;
  }
  void filter(const std::string& text) {
    model_.filter = text;
    settle(model_);
  }
  void push(const JobRow& job) {
    Pushed more;
    more.jobs = {job};
    update(model_, more);
  }
  Model model_;
};

TEST_F(PartFilters, FailedTasksOfAnArrayThatRunsAreFoundAndLieOpen) {
  const std::vector<JobId> fetched = fetched_by("/state:fail\r");
  ASSERT_FALSE(fetched.empty());
  EXPECT_EQ(std::set<JobId>(fetched.begin(), fetched.end()), std::set<JobId>{39});
  EXPECT_EQ(rows(), "40");
  update(model_, JobFetched{sample_array_details()});
  EXPECT_EQ(rows(), "39 39_3 40");
  EXPECT_TRUE(fetched_by("/ed\r").empty()) << "it is known as it is now";
  const std::string text = draw(model_).text();
  EXPECT_NE(text.find("▾ 39[10]"), std::string::npos) << text;
  EXPECT_NE(text.find("└ _3"), std::string::npos) << text;
  type(model_, "gjl");
  EXPECT_EQ(model_.log.of, (AttemptKey{39, 3, 0, 1}));
  type(model_, "\x1bkz");
  EXPECT_EQ(rows(), "39 39_3 40");
  EXPECT_FALSE(model_.notice.empty()) << "it says why nothing folds";
  type(model_, "\x1b");
  EXPECT_EQ(rows(), "42 41 39 43 40");
}

TEST_F(PartFilters, OneThatHasFailedAsAWholeIsOpenedToo) {
  JobRow ended = sample_array_details();
  ended.state = JobState::kFailed;
  update(model_, JobFetched{ended});
  push(ended);
  filter("state:failed");
  EXPECT_EQ(rows(), "40 39 39_3");
  filter("sweep");
  EXPECT_EQ(rows(), "39") << "for its name alone nothing is opened";
  filter("state:running");
  EXPECT_EQ(rows(), "42 41 39 39_6 39_7") << "nor is it itself what was asked for";
}

TEST_F(PartFilters, WhatTheCountsTellIsLookedInto) {
  for (const char* none :
       {"state:timeout!", "state:queued", "train state:fail", "!lr-sweep state:fail",
        "user:nobody state:fail", "label:x state:fail", "sweep", "nothing"}) {
    filter(none);
    EXPECT_TRUE(arrays_to_look_into(model_).empty()) << none;
  }
  for (const char* some : {"state:fail", "node:node2", "failed", "39_3", "lr-sweep state:succ",
                           "state:fail !node:node7", "user:ada state:fail"}) {
    filter(some);
    EXPECT_EQ(arrays_to_look_into(model_), std::vector<JobId>{39}) << some;
  }
  JobRow later = sample_array_details();
  update(model_, JobFetched{later});
  EXPECT_TRUE(arrays_to_look_into(model_).empty());
  ++later.progress.failed;
  push(later);
  EXPECT_EQ(arrays_to_look_into(model_), std::vector<JobId>{39}) << "another one has failed";
  const auto asked = update(model_, Ticked{model_.now + seconds(1)});
  EXPECT_TRUE(std::ranges::any_of(
      asked, [](const Command& command) { return std::holds_alternative<FetchJob>(command); }));
}

TEST_F(PartFilters, OnlySoManyArraysAreLookedInto) {
  for (JobId id = 100; id < 100 + 2 * kArraysLookedIntoMax; ++id) {
    JobRow array = model_.jobs.at(39);
    array.id = id;
    array.attempts.clear();
    push(array);
  }
  filter("state:fail");
  const std::vector<JobId> wanted = arrays_to_look_into(model_);
  ASSERT_EQ(wanted.size(), kArraysLookedIntoMax);
  EXPECT_EQ(wanted.front(), 100 + 2 * kArraysLookedIntoMax - 1) << "the newest";
}

TEST_F(PartFilters, ATaskIsFoundByNumberNodeAndEnding) {
  update(model_, JobFetched{sample_array_details()});
  for (const char* one : {"39_3", "^39_3$", "signal", "state:fail !node:node2 sweep"}) {
    filter(one);
    EXPECT_EQ(rows(), "39 39_3") << one;
  }
  filter("3");
  EXPECT_EQ(rows().find("39_3"), std::string::npos) << "a number alone is a job's: " << rows();
  filter("!state:failed sweep");
  EXPECT_EQ(rows(), "39");
}

TEST_F(PartFilters, WhatIsFoldedOutShowsWhatMatches) {
  update(model_, JobFetched{sample_array_details()});
  type(model_, "Gkkz");
  EXPECT_EQ(std::ranges::count(rows(), '_'), 8);
  filter("sweep");
  EXPECT_EQ(std::ranges::count(rows(), '_'), 8);
  filter("sweep state:running");
  EXPECT_EQ(rows(), "39 39_6 39_7");
}

TEST_F(PartFilters, OfAGangTheRankThatDiffersLiesOpen) {
  JobRow gang = model_.jobs.at(42);
  gang.attempts[1].state = JobState::kFailed;
  gang.attempts[1].ending = "exit 9";
  push(gang);
  filter("state:failed");
  EXPECT_EQ(rows(), "42 42.1 40");
}

TEST_F(PartFilters, ExplainAndDiffAreAboutTheTask) {
  update(model_, JobFetched{sample_array_details()});
  filter("39_3");
  type(model_, "gj");
  const auto words = [](const std::vector<Command>& commands) {
    return std::get<RunForText>(commands.back()).words;
  };
  EXPECT_EQ(words(press(model_, key(U'e'))), (std::vector<std::string>{"explain", "39_3"}));
  type(model_, "\x1b");
  EXPECT_EQ(words(press(model_, key(U'd'))), (std::vector<std::string>{"diff", "39_3", "main"}));
  EXPECT_EQ(model_.text.title, "diff of task 39_3 and main now");
  type(model_, "\x1bk");
  EXPECT_EQ(words(press(model_, key(U'e'))), (std::vector<std::string>{"explain", "39"}));
}

}  // namespace
}  // namespace devrun::tui
