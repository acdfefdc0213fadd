// What is said before and after jobs are cancelled: of what has ended nothing is asked, of several all are counted, and it
// goes when it is no longer true.
#include <gtest/gtest.h>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/model/keys.h"

namespace devrun::tui {
namespace {

class Cancel : public testing::Test {
 protected:
  void SetUp() override {
    update(model_, sample_cluster());
    update(model_, JobFetched{sample_array_details()});
  }
  void ask(TaskKey task) {
    model_.question.reset();
    model_.notice.clear();
    ask_to_cancel(model_, {task});
  }
  void answer(TaskKey task) {
    update(model_,
           Answered{"job " + to_string(task) + " is being cancelled", false, std::optional(task)});
  }
  void end(JobId id) {
    Pushed pushed;
    pushed.jobs = {model_.jobs.at(id)};
    pushed.jobs[0].state = JobState::kCancelled;
    update(model_, pushed);
  }
  Model model_;
};

TEST_F(Cancel, OfATaskThatHasEndedNothingIsAsked) {
  ask({39, 3});
  EXPECT_FALSE(model_.question);
  EXPECT_EQ(model_.notice, "job 39_3 has already ended: FAILED");
  ask({39, 1});
  EXPECT_EQ(model_.notice, "job 39_1 has already ended: SUCCEEDED");
  ask({39, 7});
  EXPECT_TRUE(model_.question) << "it runs";
  ask({39, 9});
  EXPECT_TRUE(model_.question) << "it waits";
  end(39);
  ask({39, 7});
  EXPECT_FALSE(model_.question) << "the whole array has ended";
  EXPECT_EQ(model_.notice, "job 39_7 has already ended: CANCELLED");
}

TEST_F(Cancel, OneThatMayBeTriedAgainHasNotEnded) {
  JobRow details = sample_array_details();
  details.retries = 1;
  update(model_, JobFetched{details});
  ask({39, 3});
  EXPECT_TRUE(model_.question);
  details.attempts[3].key.attempt = 2;
  update(model_, JobFetched{details});
  ask({39, 3});
  EXPECT_FALSE(model_.question) << "that was its last attempt";
  details.attempts[3].state = JobState::kNodeLost;
  update(model_, JobFetched{details});
  ask({39, 3});
  EXPECT_TRUE(model_.question) << "what a node lost is no attempt of its own";
}

TEST_F(Cancel, SeveralAreCounted) {
  answer({41, kNoTask});
  EXPECT_EQ(model_.notice, "job 41 is being cancelled");
  answer({42, kNoTask});
  EXPECT_EQ(model_.notice, "2 jobs are being cancelled");
  update(model_, key(U'j'));
  EXPECT_EQ(model_.notice, "");
  answer({43, kNoTask});
  EXPECT_EQ(model_.notice, "job 43 is being cancelled") << "the others were another time";
}

TEST_F(Cancel, WhatIsSaidGoesWhenItIsNoLongerTrue) {
  answer({41, kNoTask});
  answer({42, kNoTask});
  end(41);
  EXPECT_EQ(model_.notice, "2 jobs are being cancelled");
  end(42);
  EXPECT_EQ(model_.notice, "");
}

TEST_F(Cancel, WhatIsSaidGoesAfterAFewSeconds) {
  answer({41, kNoTask});
  update(model_, Ticked{model_.now + seconds(4)});
  EXPECT_EQ(model_.notice, "job 41 is being cancelled");
  update(model_, Ticked{model_.now + seconds(1)});
  EXPECT_EQ(model_.notice, "");
  update(model_, Answered{"something else", true});
  update(model_, Ticked{model_.now + seconds(60)});
  EXPECT_EQ(model_.notice, "something else") << "that alone";
}

}  // namespace
}  // namespace devrun::tui
