// The agent's core, case by case: inputs in, effects out. The whole is told as lines of text, one
// effect each.
#include "agent/core/reconcile.h"

#include <gtest/gtest.h>

#include "tests/unit/agent/core/tell.h"

namespace devrun::agent {
namespace {

constexpr AttemptKey kKey{.job = 7};
constexpr AttemptKey kSecond{.job = 7, .attempt = 2};
const Ending kExitedOk{EndCause::kExited, 0, "", ""};
const Ending kTerminated{EndCause::kExited, 143, "killed by signal 15", ""};

struct Node {
  State state;
  Time now{1'000'000};

  std::string operator()(const Input& input) { return tell(step(state, input, now)); }
  std::string at(Duration later, const Input& input) {
    now = now + later;
    return (*this)(input);
  }
  const ObservedAttempt& observed(const AttemptKey& key = kKey) const {
    return state.attempts.at(key).observed;
  }
};

DesiredItem wanted(const AttemptKey& key, Goal goal = Goal::kRun) {
  DesiredItem item;
  item.attempt.key = key;
  item.attempt.goal = goal;
  item.spec.emplace().key = key;
  return item;
}
Desired whole(std::vector<DesiredItem> items) {
  return {true, std::move(items), {}};
}
Desired delta(std::vector<DesiredItem> items) {
  return {false, std::move(items), {}};
}
Desired released(const AttemptKey& key) {
  return {false, {}, {key}};
}
ShimChanged runs() {
  return {kKey, Time{5}, {}, {}, {}, 0};
}
ShimChanged exits(const Ending& ending) {
  return {kKey, Time{5}, Time{6}, Time{9}, ending, 42};
}

Timeline mounted(Time at) {
  Timeline out;
  out.mounted = at;
  return out;
}
Timeline started(Time at) {
  Timeline out;
  out.started = at;
  return out;
}
WrittenSummary three_files() {
  WrittenSummary out;
  out.files = 3;
  return out;
}

void run(Node& node) {
  node(whole({wanted(kKey)}));
  node(Linked{kKey});
  node(runs());
}

TEST(Reconcile, RunsFromDesiredToReleased) {
  Node node;
  EXPECT_EQ(node(whole({wanted(kKey)})), "streams 7\nstart 7\n");
  EXPECT_EQ(node(Progressed{kKey, mounted(Time{4})}), "");
  EXPECT_EQ(node(Linked{kKey}), "");
  EXPECT_EQ(node(runs()), "report 7 running\n");
  EXPECT_EQ(node(exits(kExitedOk)), "end-output 7 42\nmeasure 7\n");
  EXPECT_EQ(node(Measured{kKey, three_files()}), "report 7 ended exited 0\n");
  EXPECT_EQ(node.observed().wrote->files, 3u);
  EXPECT_EQ(node.observed().output_bytes, 42);
  Timeline expected;
  expected.agent_received = Time{1'000'000};
  expected.mounted = Time{4};
  expected.started = Time{5};
  expected.first_byte = Time{6};
  expected.ended = Time{9};
  EXPECT_EQ(node.observed().timeline, expected);
  EXPECT_EQ(node(ShimGone{kKey}), "");
  EXPECT_EQ(node(released(kKey)), "release 7\n");
  EXPECT_EQ(node(Cleaned{kKey, true}), "");
  EXPECT_TRUE(node.state.attempts.empty());
}

TEST(Reconcile, LostFilesEndWhatRunsWhateverItsEndLooksLike) {
  Node node;
  run(node);
  EXPECT_EQ(node(FilesLost{"no files"}), "remember 7 seq=0 stop=lost\nkill 7\n");
  EXPECT_EQ(node(delta({wanted(kKey)})), "") << "the controller does not know yet";
  EXPECT_EQ(node(exits(kTerminated)), "end-output 7 42\nmeasure alone 7\n");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended lost 125\n");
  EXPECT_EQ(node.observed().ending->reason, "no files");
  EXPECT_EQ(node(FilesLost{"again"}), "");
}

TEST(Reconcile, LostFilesAreRememberedOverARestart) {
  Node node;
  Found found{kKey};
  found.ending = kTerminated;
  found.asked.stop_cause = EndCause::kLost;
  found.asked.stop_reason = "no files";
  node(found);
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended lost 125\n");
  EXPECT_EQ(node.observed().ending->reason, "no files");
}

TEST(Reconcile, LostFilesLeaveAnEndingThatWasThereAsItIs) {
  Node node;
  run(node);
  node(exits(kExitedOk));
  EXPECT_EQ(node(FilesLost{"no files"}), "");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended exited 0\n");
}

TEST(Reconcile, LeavingTellsWhatRunsToEndAndCallsItLost) {
  Node node;
  run(node);
  EXPECT_EQ(node(Leaving{"it leaves", seconds(5)}), "remember 7 seq=0 stop=lost\nsignal 7 15\n");
  EXPECT_EQ(node(Leaving{"it leaves", seconds(5)}), "") << "told once";
  EXPECT_EQ(node.at(seconds(5), Tick{}), "kill 7\n");
  EXPECT_EQ(node(exits(kExitedOk)), "end-output 7 42\nmeasure alone 7\n");
  EXPECT_EQ(node(Measured{kKey, three_files()}), "report 7 ended lost 125\n")
      << "whatever it made of the signal, it was not done";
  EXPECT_EQ(node.observed().ending->reason, "it leaves");
  EXPECT_EQ(node.observed().wrote->files, 3u) << "what it wrote until then comes home";
}

TEST(Reconcile, WhatComesToANodeThatLeavesMayBeginElsewhere) {
  Node node;
  node(Leaving{"it leaves", seconds(5)});
  EXPECT_EQ(node(whole({wanted(kKey)})),
            "streams 7\nend-output 7 0\nreport 7 ended not-started 125\n");
  EXPECT_EQ(node.observed().ending->fault, Fault::kInterrupted);
}

TEST(Reconcile, LeavingLeavesAnEndThatWasAskedForAsItIs) {
  Node node;
  run(node);
  node(delta({wanted(kKey, Goal::kStop)}));
  node(Leaving{"it leaves", seconds(5)});
  node(exits(kTerminated));
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended cancelled 130\n");
}

TEST(Reconcile, RepeatedWishesStartNothingTwice) {
  Node node;
  node(whole({wanted(kKey)}));
  EXPECT_EQ(node(delta({wanted(kKey)})), "");
  EXPECT_EQ(node(whole({wanted(kKey)})), "streams 7\n");
  node(Linked{kKey});
  EXPECT_EQ(node(whole({wanted(kKey)})), "streams 7\n");
}

TEST(Reconcile, NewsThatOvertakeTheLinkAreKept) {
  Node node;
  node(whole({wanted(kKey)}));
  EXPECT_EQ(node(exits(kExitedOk)), "");
  EXPECT_EQ(node(ShimGone{kKey}), "");
  EXPECT_EQ(node(Linked{kKey}), "end-output 7 42\nmeasure 7\n");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended exited 0\n");
}

TEST(Reconcile, StopSignalsThenKillsThenKillsWithoutTheShim) {
  Node node;
  run(node);
  DesiredItem stop = wanted(kKey, Goal::kStop);
  stop.attempt.stop_grace = seconds(3);
  EXPECT_EQ(node(delta({stop})), "remember 7 seq=0 stop=cancelled\nsignal 7 15\n");
  EXPECT_EQ(node(delta({stop})), "");
  EXPECT_EQ(node.at(seconds(2), Tick{}), "");
  EXPECT_EQ(next_tick(node.state), node.now + seconds(1));
  EXPECT_EQ(node.at(seconds(1), Tick{}), "kill 7\n");
  EXPECT_EQ(node.at(kKillAgainAfter, Tick{}), "kill 7 without shim\n");
  EXPECT_EQ(node(exits(kTerminated)), "end-output 7 42\nmeasure 7\n");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended cancelled 130\n");
}

TEST(Reconcile, TimeLimitEndsWith124) {
  Node node;
  run(node);
  DesiredItem stop = wanted(kKey, Goal::kStop);
  stop.attempt.stop_cause = EndCause::kTimedOut;
  EXPECT_EQ(node(delta({stop})), "remember 7 seq=0 stop=timed-out\nsignal 7 15\n");
  node(exits(kTerminated));
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended timed-out 124\n");
}

TEST(Reconcile, StopBeforeTheStartRunsNothing) {
  Node node;
  EXPECT_EQ(node(whole({wanted(kKey, Goal::kStop)})),
            "streams 7\nend-output 7 0\nreport 7 ended cancelled 130\n");
}

TEST(Reconcile, StopDuringTheStartKillsAtOnce) {
  Node node;
  node(whole({wanted(kKey)}));
  EXPECT_EQ(node(delta({wanted(kKey, Goal::kStop)})), "abandon 7\n");
  EXPECT_EQ(node(Linked{kKey}), "remember 7 seq=0 stop=cancelled\nkill 7\n");
}

TEST(Reconcile, AStopAfterTheExitChangesNothing) {
  Node node;
  run(node);
  node(exits(kExitedOk));
  node(delta({wanted(kKey, Goal::kStop)}));
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended exited 0\n");
}

TEST(Reconcile, FailedStartIsReportedInItsWords) {
  Node node;
  node(whole({wanted(kKey)}));
  EXPECT_EQ(node(StartFailed{kKey, {Code::kIo, "mounting: no", "do"}}),
            "end-output 7 0\nreport 7 ended not-started 125\n");
  EXPECT_EQ(node.observed().ending->reason, "mounting: no");
  EXPECT_EQ(node.observed().ending->hint, "do");
}

TEST(Reconcile, WhatHasBeenHereIsFoundAndNotStarted) {
  Node node;
  node(whole({wanted(kKey)}));
  EXPECT_EQ(node(StartFailed{kKey, {Code::kExists, "here", ""}}), "inspect 7\n");
  EXPECT_EQ(node(Found{.key = kKey, .shim_alive = true}), "link 7\n");
  EXPECT_EQ(node(Linked{kKey}), "");
  EXPECT_EQ(node(runs()), "report 7 running\n");
}

TEST(Reconcile, ADeadShimIsInspectedAndLost) {
  Node node;
  run(node);
  EXPECT_EQ(node(ShimGone{kKey}), "inspect 7\n");
  const Ending lost{EndCause::kLost, 125, "", ""};
  EXPECT_EQ(node(Found{.key = kKey, .ending = lost, .output_bytes = 9}),
            "end-output 7 9\nmeasure alone 7\n");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended lost 125\n");
}

TEST(Reconcile, ABrokenLinkToALivingShimIsMadeAnewWithPauses) {
  Node node;
  run(node);
  EXPECT_EQ(node(ShimGone{kKey}), "inspect 7\n");
  EXPECT_EQ(node(Found{.key = kKey, .shim_alive = true}), "link 7\n");
  EXPECT_EQ(node(LinkFailed{kKey}), "");
  EXPECT_EQ(node.at(kLinkAgainAfter, Tick{}), "inspect 7\n");
  EXPECT_EQ(node(FoundNothing{kKey}), "end-output 7 0\nmeasure alone 7\n");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended lost 125\n");
}

TEST(Reconcile, ThatRankZeroHasEndedIsSaidOnceOverEachLink) {
  Node node;
  run(node);
  DesiredItem item = wanted(kKey);
  item.attempt.first_rank_ended = true;
  EXPECT_EQ(node(delta({item})), "first-rank-ended 7\n");
  EXPECT_EQ(node(delta({item})), "");
  EXPECT_EQ(node(ShimGone{kKey}), "inspect 7\n");
  EXPECT_EQ(node(Found{.key = kKey, .shim_alive = true}), "link 7\n");
  EXPECT_EQ(node(Linked{kKey}), "first-rank-ended 7\n");
}

TEST(Reconcile, ARestartedAgentGoesOn) {
  Node node;
  const Asked asked{.delivered_sequence = 3, .stop_cause = {}};
  EXPECT_EQ(
      node(Found{.key = kKey, .shim_alive = true, .timeline = started(Time{5}), .asked = asked}),
      "streams 7\nlink 7\n");
  EXPECT_EQ(observed_all(node.state).at(0).phase, Phase::kRunning);
  DesiredItem item = wanted(kKey);
  item.spec.reset();
  item.deliver_signal = 10;
  item.deliver_sequence = 3;
  EXPECT_EQ(node(whole({item})), "streams 7\n");
  EXPECT_EQ(node(Linked{kKey}), "");
  item.deliver_sequence = 4;
  EXPECT_EQ(node(delta({item})), "remember 7 seq=4\nsignal 7 10\n");
  EXPECT_EQ(node(delta({item})), "");
}

TEST(Reconcile, ARestartedAgentRemembersTheStop) {
  Node node;
  const Asked asked{.delivered_sequence = 0, .stop_cause = EndCause::kCancelled};
  node(Found{.key = kKey, .ending = kTerminated, .asked = asked});
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended cancelled 130\n");
}

TEST(Reconcile, WhatTheFirstMessageDoesNotNameIsReleased) {
  Node node;
  node(Found{.key = kKey, .shim_alive = true});
  EXPECT_EQ(node(whole({})), "");  // a link is being made
  EXPECT_EQ(node(Linked{kKey}), "release 7\n");
  EXPECT_EQ(node(Cleaned{kKey, false}), "");
  EXPECT_EQ(node.at(kReleaseAgainAfter, Tick{}), "release 7\n");
  EXPECT_EQ(node(Cleaned{kKey, true}), "");
  EXPECT_TRUE(node.state.attempts.empty());
}

TEST(Reconcile, OnlyAnUpperLeftIsNoAttempt) {
  Node node;
  EXPECT_EQ(node(Found{.key = kKey, .ending = kExitedOk, .released = true}), "");
  EXPECT_TRUE(node.state.attempts.empty());
}

TEST(Reconcile, AHigherAttemptWaitsForTheEndOfTheLower) {
  Node node;
  run(node);
  EXPECT_EQ(node(delta({wanted(kSecond)})), "streams 7#2\nremember 7 seq=0 stop=lost\nkill 7\n");
  EXPECT_EQ(node(exits({EndCause::kExited, 137, "", ""})), "end-output 7 42\nmeasure alone 7\n");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended lost 125\nstart 7#2\n");
}

TEST(Reconcile, ALowerAttemptThanOneKnownIsNotRun) {
  Node node;
  node(whole({wanted(kSecond)}));
  EXPECT_EQ(node(delta({wanted(kKey)})),
            "streams 7\nend-output 7 0\nreport 7 ended not-started 125\n");
}

TEST(Reconcile, WithoutASpecThereIsNoRecord) {
  Node node;
  DesiredItem item = wanted(kKey);
  item.spec.reset();
  EXPECT_EQ(node(whole({item})), "streams 7\nend-output 7 0\nreport 7 ended lost 125\n");
}

TEST(Reconcile, ASignalWaitsForTheProgram) {
  Node node;
  DesiredItem item = wanted(kKey);
  item.deliver_signal = 12;
  item.deliver_sequence = 1;
  EXPECT_EQ(node(whole({item})), "streams 7\nstart 7\n");
  EXPECT_EQ(node(Linked{kKey}), "");
  EXPECT_EQ(node(runs()), "report 7 running\nremember 7 seq=1\nsignal 7 12\n");
}

TEST(Reconcile, TheProgramWaitsForTheSetupOfAllRanks) {
  Node node;
  DesiredItem item = wanted(kKey);
  item.spec->program.setup = {"pip"};
  item.attempt.go = false;
  node(whole({item}));
  node(Linked{kKey});
  EXPECT_EQ(node(runs()), "report 7 setting-up\n");
  ShimChanged done = runs();
  done.setup_done = true;
  EXPECT_EQ(node(done), "report 7 setting-up done\n");
  EXPECT_EQ(node(done), "");
  item.attempt.go = true;
  EXPECT_EQ(node(delta({item})), "go 7\nreport 7 running\n");
  EXPECT_EQ(node(delta({item})), "");
}

// The controller ends what has reached its limit; where it is away, the node does.
TEST(Reconcile, ATimeLimitIsKeptWithoutTheController) {
  Node node;
  DesiredItem item = wanted(kKey);
  item.spec->time_limit = seconds(60);
  node(whole({item}));
  node(Linked{kKey});
  node(ShimChanged{kKey, node.now, {}, {}, {}, 0});
  EXPECT_EQ(next_tick(node.state), node.now + seconds(60) + kTimeLimitSlack);
  EXPECT_EQ(node.at(seconds(61), Tick{}), "");
  EXPECT_EQ(node.at(seconds(1), Tick{}), "remember 7 seq=0 stop=timed-out\nsignal 7 15\n");
  EXPECT_EQ(node(delta({wanted(kKey)})), "") << "nor is it taken back";
  node(exits(kTerminated));
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended timed-out 124\n");
}

TEST(Reconcile, AStartThatWaitsSaysSoAndCanBeCancelled) {
  Node node;
  node(whole({wanted(kKey)}));
  EXPECT_EQ(node(StartWaits{kKey, "waits for the store"}),
            "report 7 starting (waits for the store)\n");
  EXPECT_EQ(node(StartWaits{kKey, "waits for the store"}), "") << "said once";
  EXPECT_EQ(node(delta({wanted(kKey, Goal::kStop)})),
            "remember 7 seq=0 stop=cancelled\nabandon 7\n");
  EXPECT_EQ(node(delta({wanted(kKey, Goal::kStop)})), "");
  EXPECT_EQ(node(StartFailed{kKey, {Code::kCancelled, "given up", ""}}),
            "end-output 7 0\nreport 7 ended cancelled 130\n");
}

TEST(Reconcile, AStartThatWaitsNoMoreGoesOn) {
  Node node;
  node(whole({wanted(kKey)}));
  node(StartWaits{kKey, "waits for the store"});
  EXPECT_EQ(node(StartWaits{kKey, ""}), "report 7 starting\n");
  node(Linked{kKey});
  EXPECT_EQ(node(runs()), "report 7 running\n");
}

TEST(Reconcile, AStartThatWaitsHasItsTimeLimit) {
  Node node;
  DesiredItem item = wanted(kKey);
  item.spec->time_limit = seconds(60);
  node(whole({item}));
  EXPECT_FALSE(next_tick(node.state)) << "the limit is the program's";
  node(StartWaits{kKey, "waits for the store"});
  ASSERT_TRUE(next_tick(node.state));
  EXPECT_EQ(node.at(seconds(61), Tick{}), "");
  EXPECT_EQ(node.at(seconds(1), Tick{}), "remember 7 seq=0 stop=timed-out\nabandon 7\n");
  EXPECT_EQ(node(StartFailed{kKey, {Code::kCancelled, "given up", ""}}),
            "end-output 7 0\nreport 7 ended timed-out 124\n");
}

TEST(Reconcile, AStartThatWaitsWhenTheFilesAreLostIsLost) {
  Node node;
  node(whole({wanted(kKey)}));
  node(StartWaits{kKey, "waits for the store"});
  EXPECT_EQ(node(FilesLost{"no devrun-fs"}), "remember 7 seq=0 stop=lost\nabandon 7\n");
}

TEST(Reconcile, WhatAnAttemptUsesIsToldWhileItRuns) {
  Node node;
  run(node);
  EXPECT_EQ(node(Used{kKey, Usage{seconds(1), 2, 3, 4, 5}}), "report 7 running\n");
  EXPECT_EQ(node.observed().usage, (Usage{seconds(1), 2, 3, 4, 5}));
  node(exits(kExitedOk));
  EXPECT_EQ(node(Used{kKey, Usage{seconds(9), 2, 3, 4, 5}}), "");
  node(Measured{kKey, {}, Usage{seconds(2), 3, 0, 4, 5}});
  EXPECT_EQ(node.observed().usage, (Usage{seconds(2), 3, 0, 4, 5}));
}

TEST(Reconcile, ResultsThatNobodyWaitsForAreLeftOnce) {
  Node node;
  run(node);
  DesiredItem leave = wanted(kKey, Goal::kStop);
  leave.attempt.leave_results = true;
  node(exits(kExitedOk));
  EXPECT_EQ(node(delta({leave})), "leave results of 7\n");
  EXPECT_EQ(node(delta({leave})), "");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended exited 0\n");
}

TEST(Reconcile, ALongMeasurementIsToldAsCompleting) {
  Node node;
  run(node);
  node(exits(kExitedOk));
  EXPECT_EQ(node.at(kCompletingToldAfter, Tick{}), "report 7 completing\n");
  EXPECT_EQ(node.at(seconds(1), Tick{}), "");
  EXPECT_EQ(node(Measured{kKey, {}}), "report 7 ended exited 0\n");
}

}  // namespace
}  // namespace devrun::agent
