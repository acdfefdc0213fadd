// The history: a job comes back as it went, is found by all that it can be asked for, and goes when its time is over.
#include "controller/journal/history.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>

#include "controller/journal/job_codec.h"
#include "tests/unit/controller/journal/folder.h"

namespace devrun::controller {
namespace {

constexpr Time kBegin{1'700'000'000'000'000};

Digest tree(uint8_t n) {
  Digest out;
  out.bytes[0] = n;
  return out;
}

// Two attempts with all that can be told of them.
Job whole_job() {
  Job job;
  job.id = 42;
  job.request_id = "request";
  job.spec.name = std::string("na\xffme\n", 6);
  job.spec.user = "ada";
  job.spec.root = {"work", tree(1), {}, false};
  job.spec.program.argv = {"prog", std::string("\xff\x00", 2)};
  job.spec.array = {{0, 3, 1}};
  job.spec.after_ok = {7};
  job.timeline = {{1}, {2}, {3}, {}, {}, {}, {}, {}, {}};
  job.root = tree(2);
  job.kept = job.closed = true;
  job.array_passed = 2;
  Rank rank;
  rank.node = "n1";
  rank.phase = Phase::kEnded;
  rank.reported = rank.setup_done = true;
  rank.ending = Ending{EndCause::kTimedOut, 124, "why", "what now"};
  rank.output_bytes = 99;
  rank.wrote = WrittenSummary{1, 2, "n1", "/f", {{"/a\xfe", 'A', 3}}, HomeSummary{}};
  rank.wrote->home->failure = "no room";
  rank.timeline.started = {5};
  rank.gpus = {1, 3};
  rank.usage = Usage{seconds(3), 4, 0, 5, 6};
  Task task;
  task.attempt = 2;
  task.placed = {4};
  task.lease = seconds(9);
  task.ranks = {rank, rank};
  task.past = {{{3}, {rank}, *rank.ending, {4}, tree(3)}};
  task.root = tree(4);
  task.not_before = {8};
  task.warned = true;
  task.first_failed = 1;
  task.stop = EndCause::kTimedOut;
  task.stop_reason = std::string("who wanted it");
  task.deliver_signal = 10;
  task.deliver_sequence = 2;
  task.outcome = Outcome{JobState::kTimedOut, *rank.ending, {9}};
  job.tasks[0] = task;
  Task never;
  never.outcome = Outcome{JobState::kCancelled, {EndCause::kCancelled, 130, "", ""}, {10}};
  job.tasks[3] = never;
  job.failed_tasks = 2;
  job.outcome = Outcome{JobState::kTimedOut, *rank.ending, {10}};
  return job;
}

// Number n: a user of three, a status of five, ends a second after the one before it.
Job small_job(JobId id) {
  Job job;
  job.id = id;
  job.request_id = "r" + std::to_string(id);
  job.spec.name = "train-" + std::to_string(id % 7);
  job.spec.user = std::vector<std::string>{"ada", "bob", "eve"}[id % 3];
  if (id % 4 == 0) job.spec.labels["team"] = id % 8 == 0 ? "vision" : "speech";
  if (id % 1000 == 0) job.spec.labels["rare"] = "";
  job.spec.root = {id % 2 == 0 ? "even" : "odd", tree(static_cast<uint8_t>(id)), {}, false};
  const auto status = static_cast<int32_t>(id % 5);
  const JobState state = status == 0 ? JobState::kSucceeded : JobState::kFailed;
  job.timeline.submitted = kBegin + seconds(static_cast<int64_t>(id) - 1);
  job.outcome = Outcome{
      state, {EndCause::kExited, status, "", ""}, kBegin + seconds(static_cast<int64_t>(id))};
  Task task;
  task.outcome = *job.outcome;
  if (status != 0) job.failed_tasks = 1;
  job.tasks[kNoTask] = task;
  return job;
}

std::unique_ptr<History> opened(const Folder& folder) {
  auto history = History::open(folder.path + "/history.db");
  EXPECT_TRUE(history) << history.error().message;
  return std::move(*history);
}

void fill(History& history, JobId first, JobId last) {
  std::vector<HistoryEntry> entries;
  for (JobId id = first; id <= last; ++id) entries.push_back({small_job(id), {}});
  ASSERT_TRUE(history.put(entries));
}

std::vector<JobId> found(History& history, const JobFilter& filter, size_t limit = 10'000) {
  std::vector<JobId> out;
  const Status done = history.visit(filter, [&](const HistoryFound& one) {
    out.push_back(one.job);
    return out.size() < limit;
  });
  EXPECT_TRUE(done) << done.error().message;
  return out;
}

TEST(JobCodec, GivesBackWhatItTook) {
  const Job job = whole_job();
  const auto back = decode_job(encode_job(job));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == job);
}

TEST(JobCodec, RefusesWhatIsNoRecord) {
  EXPECT_FALSE(decode_job(""));
  EXPECT_FALSE(decode_job("anything"));
  std::string bytes = encode_job(whole_job());
  EXPECT_FALSE(decode_job(bytes.substr(0, bytes.size() - 1)));
}

TEST(History, KeepsJobsAndIsWrittenTwiceAlike) {
  const Folder folder;
  auto history = opened(folder);
  const std::vector<HistoryEntry> entries{{whole_job(), "a row"}, {small_job(2), {}}};
  ASSERT_TRUE(history->put(entries));
  ASSERT_TRUE(history->put(entries));  // after a crash
  history = opened(folder);
  EXPECT_TRUE(**history->find(42) == whole_job());
  EXPECT_FALSE((*history->find(43)).has_value());
  EXPECT_EQ(*history->find_request("ada", "request"), std::optional<JobId>(42));
  EXPECT_EQ(*history->find_request("bob", "request"), std::nullopt);
  EXPECT_EQ(found(*history, {}), (std::vector<JobId>{42, 2}));
  std::string row;
  ASSERT_TRUE(history->visit({}, [&](const HistoryFound& one) {
    row = one.row;
    return false;
  }));
  EXPECT_EQ(row, "a row");
  const auto trees = history->trees("work", {}, 10);
  ASSERT_EQ(trees->size(), 1u);
  EXPECT_EQ((*trees)[0].trees, (std::vector<Digest>{tree(1), tree(2), tree(4), tree(3)}));
  // Another connection sees it, as readers do while one writes.
  auto reader = opened(folder);
  fill(*history, 50, 50);
  EXPECT_TRUE((*reader->find(50)).has_value());
}

TEST(History, FindsWhatTheLedgerWouldFind) {
  const Folder folder;
  const auto history = opened(folder);
  constexpr JobId kLast = 5000;
  fill(*history, 1, kLast);
  std::vector<JobFilter> filters(20);
  filters[1].user = "bob";
  filters[2].states = {JobState::kFailed};
  filters[3].states = {JobState::kFailed, JobState::kSucceeded};
  filters[4].name = "train-3";
  filters[5].name = "train-*";
  filters[6].name = "*[35]";
  filters[7].status = 3;
  filters[8].failed = true;
  filters[9].since = kBegin + seconds(4990);
  filters[10].until = kBegin + seconds(20);
  filters[11].before = 100;
  filters[12].user = "nobody";
  filters[13] = {"eve",
                 {JobState::kFailed},
                 "train-?",
                 {},
                 4,
                 true,
                 kBegin + seconds(7),
                 kBegin + seconds(4000),
                 3999};
  filters[14].since = kBegin + seconds(1000);
  filters[14].name = "t*-1";
  filters[15].labels = {{"team", {}}};
  filters[16].labels = {{"team", "vision"}, {"rare", ""}};
  filters[17].labels = {{"rare", {}}};
  filters[17].user = "ada";
  filters[18].labels = {{"team", "none"}};
  filters[19].labels = {{"team", "speech"}};
  filters[19].status = 2;
  for (size_t i = 0; i < filters.size(); ++i) {
    SCOPED_TRACE(i);
    std::vector<JobId> wanted;
    for (JobId id = kLast; id > 0; --id) {
      const Job job = small_job(id);
      const JobFacts facts{id,
                           &job.spec,
                           job.outcome->state,
                           job.outcome->ending.status,
                           job.timeline.submitted,
                           job.outcome->at};
      if (matches(filters[i], facts)) wanted.push_back(id);
    }
    EXPECT_EQ(found(*history, filters[i]), wanted);
  }
  EXPECT_EQ(found(*history, {}, 3), (std::vector<JobId>{5000, 4999, 4998}));
}

// However many there are, a page costs about the same: by comparing with a small table, since a time by itself says
// nothing on a busy machine.
TEST(History, APageOfAMillionCostsWhatAPageOfAThousandDoes) {
  const auto fill_many = [](const Folder& folder, int64_t jobs) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((folder.path + "/history.db").c_str(), &db), SQLITE_OK);
    const std::string sql =
        "PRAGMA synchronous=OFF; BEGIN;"
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < " +
        std::to_string(jobs) +
        ") INSERT INTO job SELECT id, 'u' || (id % 200), 'name' || (id % 1000), 'v', 7 + (id % 50 "
        "= "
        "0), id % 50 = 0, id * 1000, id * 1000 + 500, 'r' || id, x'' FROM n;"
        "INSERT INTO record SELECT id, x'00', NULL FROM job; COMMIT;";
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  };
  const Folder large_folder;
  const Folder small_folder;
  const auto large = opened(large_folder);
  const auto small = opened(small_folder);
  constexpr int64_t kMany = 1'000'000;
  constexpr int64_t kFew = 10'000;
  fill_many(large_folder, kMany);
  fill_many(small_folder, kFew);
  const auto filters = [](int64_t jobs) {
    std::vector<JobFilter> out(8);
    out[1].user = "u17";
    out[2].failed = true;
    out[3].name = "name7";
    out[4].name = "name12*";
    out[5].since = {(jobs - 100) * 1000};
    out[6].before = static_cast<JobId>(jobs / 2);
    out[7].user = "u50";
    out[7].states = {JobState::kFailed};
    return out;
  };
  const auto took = [](History& history, const JobFilter& filter) {
    auto least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 5; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_FALSE(found(history, filter, 50).empty());
      least = std::min<std::chrono::nanoseconds>(least, std::chrono::steady_clock::now() - begin);
    }
    return static_cast<double>(least.count()) / 1000;
  };
  for (size_t i = 0; i < filters(1).size(); ++i) {
    const double of_large = took(*large, filters(kMany)[i]);
    const double of_small = took(*small, filters(kFew)[i]);
    RecordProperty("filter_" + std::to_string(i) + "_us", std::to_string(of_large));
    EXPECT_LT(of_large, 20 * of_small + 2000) << "filter " << i << ", microseconds";
  }
}

TEST(History, ForgetsWhatEndedLongAgoInSteps) {
  const Folder folder;
  const auto history = opened(folder);
  fill(*history, 1, 25);
  const Time until = kBegin + seconds(21);
  EXPECT_EQ(*history->remove_ended_before(until, 15), 15u);
  EXPECT_EQ(*history->remove_ended_before(until, 15), 5u);
  EXPECT_EQ(*history->remove_ended_before(until, 15), 0u);
  EXPECT_EQ(found(*history, {}), (std::vector<JobId>{25, 24, 23, 22, 21}));
  EXPECT_FALSE((*history->find(3)).has_value());
  EXPECT_EQ(*history->find_request("ada", "r3"), std::nullopt);
}

TEST(History, TreesAreThoseOfTheNewestThatEndedSince) {
  const Folder folder;
  const auto history = opened(folder);
  fill(*history, 1, 20);
  const auto trees = *history->trees({}, kBegin + seconds(15), 4);
  ASSERT_EQ(trees.size(), 4u);
  EXPECT_EQ(trees.front().job, 20u);
  EXPECT_EQ(trees.back().job, 17u);
  EXPECT_EQ(history->trees("odd", {}, 100)->size(), 10u);
}

TEST(History, ANewerSchemaIsRefused) {
  const Folder folder;
  opened(folder).reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path + "/history.db").c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "UPDATE meta SET value = 99 WHERE key = 'schema'", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  const auto refused = History::open(folder.path + "/history.db");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace devrun::controller
