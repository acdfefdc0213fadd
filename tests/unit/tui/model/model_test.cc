// What keys and pushed changes do to the monitor.
#include "tui/model/model.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tui/model/output_record.h"
#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/model/keys.h"

namespace devrun::tui {
namespace {

class Monitor : public testing::Test {
 protected:
  void SetUp() override { update(model_, sample_cluster()); }
  std::vector<Command> press(char32_t c) { return tui::press(model_, key(c)); }
  Model model_;
};

TEST_F(Monitor, WhatRunsComesFirstThenWhatWaitsNewestFirst) {
  std::vector<JobId> ids;
  for (const JobRow* job : visible_jobs(model_)) ids.push_back(job->id);
  EXPECT_EQ(ids, (std::vector<JobId>{42, 41, 39, 43, 40}));
  EXPECT_EQ(model_.selected, 42u);
}

TEST_F(Monitor, SelectionStaysOnItsJobWhenOthersAppear) {
  press(U'j');
  EXPECT_EQ(model_.selected, 41u);
  Pushed more;
  more.jobs = {sample_job(44, JobState::kQueued, "true")};
  update(model_, more);
  EXPECT_EQ(model_.selected, 41u);
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

template <typename T>
size_t count(const std::vector<Command>& commands) {
  return static_cast<size_t>(std::ranges::count_if(
      commands, [](const Command& command) { return std::holds_alternative<T>(command); }));
}

TEST_F(Monitor, CancelAsksAndOnlyYCancels) {
  EXPECT_TRUE(press(U'x').empty());
  EXPECT_TRUE(press(U'n').empty());
  press(U'x');
  const auto commands = press(U'y');
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(std::get<CancelJob>(commands[0]).task.job, 42u);
}

TEST_F(Monitor, KeysThatWerePressedBeforeTheQuestionWasShownAnswerNothing) {
  for (const char c : std::string("xyy")) {
    EXPECT_TRUE(update(model_, key(static_cast<char32_t>(c))).empty());
  }
  EXPECT_TRUE(model_.question) << "not even a key that would close it";
  update(model_, QuestionShown{});
  EXPECT_EQ(count<CancelJob>(press(U'y')), 1u);
  update(model_, QuestionShown{});  // late, of the one before
  update(model_, key(U'x'));
  EXPECT_TRUE(update(model_, key(U'y')).empty());
}

TEST_F(Monitor, PastedTextGoesIntoPromptsAlone) {
  update(model_, Pasted{"xy\nq\n"});
  EXPECT_FALSE(model_.question);
  EXPECT_EQ(model_.screen, Screen::kJobs);
  press(U'x');
  update(model_, Pasted{"y"});
  EXPECT_TRUE(model_.question) << "it neither confirms nor refuses";
  press(U'n');
  press(U'/');
  update(model_, Pasted{"tra\tin\x1b[A\r\n"});
  EXPECT_EQ(model_.prompt.text, "tra in [A");
  EXPECT_EQ(model_.filter, "tra in [A");
}

TEST_F(Monitor, ARankOfAGangIsWhatKeysAreAbout) {
  type(model_, "zjj");
  ASSERT_EQ(model_.part, (AttemptKey{42, kNoTask, 1, 1}));
  const auto words = [&](char32_t c) { return std::get<RunInTerminal>(press(c).at(0)).words; };
  EXPECT_EQ(words(U'a'), (std::vector<std::string>{"attach", "--no-stdin", "--rank", "1", "42"}))
      << "what a Ctrl-C ends is the watching: the job has no terminal in which other keys could "
         "leave";
  const auto shell = words(U's');
  EXPECT_EQ(std::vector<std::string>(shell.begin(), shell.begin() + 5),
            (std::vector<std::string>{"exec", "-t", "--rank", "1", "42"}));
  EXPECT_EQ(std::get<CopyText>(press(U'y').at(0)).text, "42.1");
  press(U'f');
  EXPECT_EQ(model_.prompt.text, "port-forward --rank 1 42 ");
  press(U'\x1b');
  press(U'l');
  EXPECT_EQ(model_.log.of, (AttemptKey{42, kNoTask, 1, 1}));
  press(U'[');
  EXPECT_EQ(model_.log.of.rank, 0u);
  EXPECT_EQ(words(U'a'), (std::vector<std::string>{"attach", "--no-stdin", "--rank", "0", "42"}))
      << "of the rank whose output is shown";
  press(U'x');
  EXPECT_EQ(model_.question->words, "Cancel job 42? y to cancel it, any other key to keep it")
      << "a gang lives as a whole";
}

TEST_F(Monitor, NamedTasksAreCancelledAloneAndRunAgainAlone) {
  type(model_, ":cancel 39_6\r");
  ASSERT_TRUE(model_.question);
  EXPECT_EQ(model_.question->words, "Cancel task 39_6? y to cancel it, any other key to keep it");
  EXPECT_EQ(std::get<CancelJob>(press(U'y').at(0)).task, (TaskKey{39, 6}));
  type(model_, ":cancel 39_6 41 41\r");
  EXPECT_EQ(model_.question->words,
            "Cancel jobs 39_6, 41? y to cancel them, any other key to keep them: "
            "39_6 lr-sweep, 41 python");
  EXPECT_EQ(count<CancelJob>(press(U'y')), 2u);
  type(model_, ":rerun 39_3\r");
  EXPECT_EQ(std::get<RunAndTell>(press(U'y').at(0)).words,
            (std::vector<std::string>{"rerun", "-d", "39_3"}));
  type(model_, ":rerun --failed 39\r");
  EXPECT_TRUE(model_.question->words.starts_with("Run the failed tasks of job 39 again"));
  EXPECT_EQ(std::get<RunAndTell>(press(U'y').at(0)).words,
            (std::vector<std::string>{"rerun", "-d", "--failed", "39"}));
  for (const char* none : {":cancel 41_2\r", ":cancel 42.1\r", ":cancel 7\r", ":rerun 42#2\r"}) {
    type(model_, none);
    EXPECT_FALSE(model_.question) << none;
    EXPECT_TRUE(model_.notice_is_bad) << none;
  }
}

TEST_F(Monitor, NamedLogsAreOfThatTask) {
  update(model_, JobFetched{sample_array_details()});
  type(model_, ":logs 39_3\r");
  EXPECT_EQ(model_.log.of, (AttemptKey{39, 3, 0, 1}));
  type(model_, "\x1b:logs 42.1\r");
  EXPECT_EQ(model_.log.of, (AttemptKey{42, kNoTask, 1, 1}));
}

TEST_F(Monitor, TheScreenIsDrawnAnewAndTheMonitorStopsFromAnywhere) {
  for (const char* where : {"", "x", "/", "?"}) {
    type(model_, where);
    EXPECT_EQ(count<Redraw>(press(U'\x0c')), 1u) << where;
    EXPECT_EQ(count<Suspend>(press(U'\x1a')), 1u) << where;
  }
}

TEST_F(Monitor, AnOpenJobIsFetchedAtOnceAndWhileItLives) {
  type(model_, "j");
  ASSERT_EQ(model_.selected, 41u);
  EXPECT_TRUE(update(model_, Ticked{}).empty());
  const auto opened = press(U'\r');
  EXPECT_EQ(count<FetchJob>(opened), 1u);
  EXPECT_EQ(count<FetchSeries>(opened), 1u);
  JobRow row = model_.jobs.at(41);
  row.attempts[0].output_bytes = 99'999;
  update(model_, JobFetched{row});
  EXPECT_EQ(details_of(model_, 41)->attempts[0].output_bytes, 99'999);
  EXPECT_EQ(count<FetchJob>(update(model_, Ticked{})), 1u);
  row.state = JobState::kSucceeded;
  update(model_, JobFetched{row});
  EXPECT_EQ(count<FetchJob>(update(model_, Ticked{})), 0u) << "it will not change any more";
}

TEST_F(Monitor, EndedJobsAreNotCancelled) {
  press(U'G');
  ASSERT_EQ(model_.selected, 40u);
  press(U'x');
  EXPECT_FALSE(model_.question);
  EXPECT_EQ(model_.notice, "job 40 has already ended: FAILED");
}

TEST_F(Monitor, MarkedJobsAreCancelledTogether) {
  type(model_, "   x");
  ASSERT_TRUE(model_.question);
  EXPECT_EQ(model_.marked.size(), 3u);
  EXPECT_EQ(model_.question->words,
            "Cancel jobs 39, 41, 42? y to cancel them, any other key to keep them: "
            "39 lr-sweep, 41 python, 42 python");
  EXPECT_EQ(count<CancelJob>(press(U'y')), 3u);
  EXPECT_TRUE(model_.marked.empty());
}

TEST_F(Monitor, MarksThatTheFilterHidesAreSaid) {
  type(model_, "  ");
  type(model_, "/big\rx");
  ASSERT_TRUE(model_.question);
  EXPECT_EQ(
      model_.question->words,
      "Cancel jobs 41, 42, 2 of them hidden by the filter? y to cancel them, any other key to "
      "keep them: 41 python, 42 python");
}

TEST_F(Monitor, AJobWithATerminalIsTypedTo) {
  JobRow job = model_.jobs.at(41);
  job.tty = true;
  Pushed more;
  more.jobs = {job};
  update(model_, more);
  type(model_, "j");
  EXPECT_EQ(std::get<RunInTerminal>(press(U'a').at(0)).words,
            (std::vector<std::string>{"attach", "41"}));
}

TEST_F(Monitor, OfAnArrayTheFirstFailedOutputIsShownAndOfATaskItsOwnAttempts) {
  type(model_, "jj");
  ASSERT_EQ(model_.selected, 39u);
  press(U'l');
  EXPECT_EQ(model_.log.of, (AttemptKey{39, 3, 0, 1}));
  EXPECT_EQ(model_.notice, "task 39_3, the first that failed; ] and [: other tasks");
  press(U'\x1b');
  press(U'z');
  update(model_, JobFetched{sample_array_details()});
  type(model_, "jj\r");
  EXPECT_EQ(shown_task(model_), (TaskKey{39, 6}));
  press(U'\x1b');
  type(model_, "gl");
  EXPECT_EQ(model_.notice, "rank 0 of 2; ] and [: other ranks");
}

TEST_F(Monitor, TheQueueIsLookedAtAsSoonAsJobsChangeButNotForEachOfThem) {
  press(U'3');
  Pushed more;
  more.now = {2'000'000'000};
  more.jobs = {sample_job(44, JobState::kQueued, "true")};
  EXPECT_EQ(count<FetchQueue>(update(model_, more)), 1u);
  EXPECT_EQ(count<FetchQueue>(update(model_, more)), 0u);
  more.now = {2'000'300'000};
  EXPECT_EQ(count<FetchQueue>(update(model_, more)), 1u);
  more.jobs.clear();
  more.now = {2'001'000'000};
  EXPECT_EQ(count<FetchQueue>(update(model_, more)), 0u) << "samples are no news of the queue";
}

TEST_F(Monitor, TextsAreWrappedOrScrolledSidewaysAndNothingIsSkipped) {
  update(model_, Resized{10, 40});
  press(U'e');
  std::string text;
  for (int i = 0; i < 20; ++i) text += std::to_string(i) + std::string(100, 'x') + "\n";
  update(model_, TextFetched{model_.text.number, text, true, 0});
  press(U' ');
  EXPECT_EQ(model_.text.cursor.top, 1u) << "three rows each: two lines, and one of them stays";
  press(U'G');
  EXPECT_EQ(model_.text.cursor.top, 18u) << "the last two";
  press(U'→');
  EXPECT_EQ(model_.text.left, 0u);
  type(model_, "wg");
  press(U'→');
  EXPECT_EQ(model_.text.left, 8u);
  press(U'G');
  EXPECT_EQ(model_.text.cursor.top, 12u);
}

TEST_F(Monitor, ReadOnlyChangesNothing) {
  model_.read_only = true;
  for (const char c : std::string("xrasf")) {
    EXPECT_TRUE(press(static_cast<char32_t>(c)).empty()) << c;
    EXPECT_FALSE(model_.question) << c;
    EXPECT_EQ(model_.notice, "this monitor is read-only") << c;
  }
  type(model_, ":exec 41 true");
  EXPECT_TRUE(press(U'\r').empty());
}

TEST_F(Monitor, LogOpensFollowsAndGoesBackWhereItCameFrom) {
  const auto opened = press(U'l');
  ASSERT_EQ(count<OpenLog>(opened), 1u);
  EXPECT_EQ(model_.log.of, (AttemptKey{42, kNoTask, 0, 1}));
  EXPECT_TRUE(model_.log.follow);
  press(U']');
  EXPECT_EQ(model_.log.of, (AttemptKey{42, kNoTask, 1, 1})) << "the other rank";
  EXPECT_EQ(count<CloseLog>(press(U'\x1b')), 1u);
  EXPECT_EQ(model_.screen, Screen::kJobs);
}

TEST_F(Monitor, ArraysFoldOutFailedOnesFirst) {
  type(model_, "Gkk");
  ASSERT_EQ(model_.selected, 39u);
  EXPECT_EQ(count<FetchJob>(press(U'z')), 1u);
  update(model_, JobFetched{sample_array_details()});
  ASSERT_EQ(model_.list.lines.size(), 5u + 8u);
  EXPECT_EQ(model_.list.lines[3].part->task, 3);
  press(U'j');
  EXPECT_EQ(model_.part->task, 3);
  EXPECT_EQ(count<OpenLog>(press(U'l')), 1u);
  EXPECT_EQ(model_.log.of.task, 3);
  press(U'\x1b');
  press(U'j');
  press(U'x');
  ASSERT_TRUE(model_.question);
  const auto asked = press(U'y');
  EXPECT_EQ(std::get<CancelJob>(asked.at(0)).task, (TaskKey{39, 6}));
  type(model_, "kkz");
  EXPECT_EQ(model_.list.lines.size(), 5u);
}

TEST_F(Monitor, SortsByAnyColumnAndBack) {
  type(model_, ":sort gpu\r");
  EXPECT_EQ(model_.list.lines[0].job, 41u);
  EXPECT_EQ(model_.list.lines[1].job, 42u) << "it has a GPU, though idle";
  press(U'R');
  EXPECT_EQ(model_.list.lines.back().job, 41u);
  type(model_, ":sort job\r");
  EXPECT_EQ(model_.list.lines[0].job, 43u);
  EXPECT_EQ(model_.selected, 42u) << "the selection stays on its job";
  type(model_, ":sort mem\r");
  EXPECT_EQ(model_.list.sort, SortBy::kMemory) << "as the column's head has it";
}

TEST_F(Monitor, AClickSelectsASecondOpensAndAHeadSorts) {
  update(model_, Resized{24, 80});
  update(model_, Mouse{3, 10, Mouse::What::kPress});
  EXPECT_EQ(model_.selected, 41u);
  update(model_, Mouse{1, 3, Mouse::What::kPress});
  EXPECT_EQ(model_.list.sort, SortBy::kJob);
  const size_t line = *selected_line(model_);
  update(model_, Mouse{static_cast<int>(line) + 2, 10, Mouse::What::kPress});
  EXPECT_EQ(model_.screen, Screen::kJob);
}

TEST_F(Monitor, FiltersByPatternAndLabel) {
  const JobRow& job = model_.jobs.at(41);
  EXPECT_TRUE(matches(job, "tr[a-e]in"));
  EXPECT_FALSE(matches(job, "^train"));
  EXPECT_TRUE(matches(job, "label:team=vision !label:team=speech label:team"));
  EXPECT_FALSE(matches(job, "label:other"));
  EXPECT_TRUE(matches(job, "node:^node1$ !node:node2"));
  EXPECT_TRUE(matches(job, "^41$"));
  EXPECT_TRUE(matches(job, "^running$ 0.1$"));
  EXPECT_FALSE(matches(job, "^1$")) << "a field as a whole";
  EXPECT_FALSE(matches(job, "a(b")) << "what is no pattern is looked for as it stands";
  EXPECT_TRUE(Filter("a(b").is_broken());
}

TEST_F(Monitor, CommandsCompleteAndUnknownOnesAreSaid) {
  type(model_, ":vol");
  update(model_, Key{0, Special::kTab});
  EXPECT_EQ(model_.prompt.text, "volume");
  type(model_, "s\r");
  EXPECT_EQ(model_.screen, Screen::kVolumes);
  type(model_, ":explain 4");
  update(model_, Key{0, Special::kTab});
  EXPECT_EQ(completions(model_, model_.prompt.text).size(), 4u);
  type(model_, "1");
  const auto commands = press(U'\r');
  ASSERT_EQ(count<RunForText>(commands), 1u);
  EXPECT_EQ(model_.screen, Screen::kText);
  update(model_, TextFetched{99, "of another", true, 0});
  EXPECT_TRUE(model_.text.lines.empty()) << "an answer that came too late";
  update(model_, TextFetched{model_.text.number, "it ru", false, 0});
  update(model_, TextFetched{model_.text.number, "ns\nnow\n", true, 0});
  EXPECT_EQ(model_.text.lines, (std::vector<std::string>{"it runs\n", "now\n"}));
  press(U'\x1b');
  EXPECT_EQ(model_.screen, Screen::kVolumes);
  type(model_, ":rm -rf\r");
  EXPECT_TRUE(model_.notice_is_bad);
}

TEST_F(Monitor, WhatIsGoneGoes) {
  Pushed pushed;
  pushed.gone = {43, 40};
  pushed.gone_nodes = {"node3"};
  update(model_, pushed);
  EXPECT_EQ(model_.jobs.size(), 3u);
  EXPECT_EQ(model_.nodes.size(), 2u);
  EXPECT_EQ(model_.selected, 42u);
}

TEST_F(Monitor, LoadsOfAJobAreAddedUp) {
  const JobLoad& load = model_.job_loads.at(42);
  EXPECT_EQ(load.gpus, 1u);
  EXPECT_EQ(load.gpu_idle_s, 720u);
  Pushed more;
  more.loads = sample_loads();
  more.loads[1].attempts = {sample_load({42, kNoTask, 1, 1}, 900, 3, 80)};
  update(model_, more);
  EXPECT_EQ(model_.job_loads.at(42).cpu_milli, 1000u);
  EXPECT_EQ(model_.job_loads.at(42).gpu_percent, 60u);
  EXPECT_EQ(model_.job_loads.at(42).gpu_idle_s, 0u) << "some of its GPUs work";
  EXPECT_EQ(model_.job_loads.count(39), 0u);
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
