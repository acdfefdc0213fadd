// The journal keeps what it said it kept, and the fold over it is the state that was live: under random inputs, with the
// process "killed" at random points.
#include "controller/journal/journal.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <random>

#include "controller/core/apply.h"
#include "controller/core/archive.h"
#include "controller/core/invariants.h"
#include "controller/core/step.h"
#include "controller/core/view.h"
#include "controller/journal/event_codec.h"
#include "controller/journal/schema.h"
#include "tests/unit/controller/journal/folder.h"

namespace devrun::controller {
namespace {

Ledger replay(Journal& journal) {
  Ledger ledger;
  const Status replayed = journal.replay([&](const Event& event) { apply(ledger, event); });
  EXPECT_TRUE(replayed) << replayed.error().message;
  return ledger;
}

// A user and a few agents that do what they like, some of it wrong.
class Chaos {
 public:
  explicit Chaos(uint64_t seed) : random_(seed) {}

  Input next(const State& state) {
    switch (pick(14)) {
      case 0:
      case 1:
      case 2:
        return submit();
      case 3:
        return Cancel{task(state), pick(3) == 0 ? 10 : 0};
      case 4:
        return synchronize(state);
      case 5:
        return NodeGone{node(), pick(sessions_ + 1)};
      case 6:
        return pick(8) == 0 ? Input{DeclareLost{node(), "gone"}} : Input{Tick{}};
      case 7:
        return OutputStored{attempt(state)};
      case 8:
        return Tick{};
      default:
        return Reported{node(), {observed(attempt(state))}};
    }
  }
  uint64_t pick(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }

 private:
  std::string node() { return "node" + std::to_string(pick(4)); }

  Input submit() {
    Submit input;
    input.request_id = std::to_string(pick(300));
    JobSpec& spec = input.spec;
    spec.user = pick(4) == 0 ? "bob" : "ada";
    spec.root.volume = "v" + std::to_string(pick(3));
    spec.program.argv = {"prog", std::string("\xff\n\x01", 3)};
    spec.program.sealed_env = "sealed";
    spec.per_node.cpu_milli = static_cast<int64_t>(500 * pick(6));
    spec.per_node.gpus = pick(4) == 0 ? 1 : 0;
    spec.nodes = static_cast<uint32_t>(1 + (pick(4) == 0 ? pick(3) : 0));
    spec.priority = static_cast<int32_t>(pick(5)) - 2;
    if (pick(5) == 0) {
      spec.array = {{0, static_cast<int32_t>(pick(6)), 1}, {3, 12, 4}};
      spec.array_running_max = static_cast<uint32_t>(pick(4));
    }
    if (pick(6) == 0) spec.after_ok = {1 + pick(40)};
    if (pick(8) == 0) spec.time_limit = seconds(30);
    if (pick(6) == 0) {
      spec.alternatives = {spec.per_node, {static_cast<int64_t>(500 * pick(6)), 1 << 20, 0, ""}};
      spec.retry_lost = pick(2) == 0;
    }
    if (pick(8) == 0) {
      spec.alternatives.clear();
      spec.retry_lost = false;
      spec.dev_container = spec.root.live = true;
      spec.nodes = 1;
      spec.array.clear();
    }
    return input;
  }

  Input synchronize(const State& state) {
    Synchronized input;
    input.hello.name = node();
    input.hello.boot_id = pick(20) == 0 ? "other" : "boot";
    input.hello.total = {4000, 1 << 30, 1, "A100"};
    input.hello.dev_containers = input.hello.name == "node3";
    input.session = ++sessions_;
    for (const AttemptKey& key : desired_on(state, input.hello.name)) {
      if (pick(5) != 0) input.observed.push_back(observed(key));
    }
    if (pick(4) == 0) input.observed.push_back(observed(attempt(state)));
    return input;
  }

  TaskKey task(const State& state) {
    const JobId job = 1 + pick(state.next_job);
    return {job, pick(3) == 0 ? static_cast<int32_t>(pick(13)) : kNoTask};
  }

  AttemptKey attempt(const State& state) {
    const auto it = state.nodes.find(node());
    if (it != state.nodes.end() && !it->second.live.empty() && pick(10) != 0) {
      auto live = it->second.live.begin();
      std::advance(live, static_cast<int64_t>(pick(it->second.live.size())));
      return *live;
    }
    const TaskKey key = task(state);
    return {key.job, key.task, static_cast<uint32_t>(pick(3)), static_cast<uint32_t>(1 + pick(2))};
  }

  ObservedAttempt observed(const AttemptKey& key) {
    ObservedAttempt out;
    out.key = key;
    out.phase = static_cast<Phase>(1 + pick(5));
    out.output_bytes = static_cast<int64_t>(pick(1000));
    out.timeline.started = {static_cast<int64_t>(pick(3))};
    if (out.phase == Phase::kEnded) {
      out.ending =
          Ending{static_cast<EndCause>(1 + pick(5)), static_cast<int32_t>(pick(3)), "r", ""};
      if (pick(2) == 0) out.wrote = WrittenSummary{1, 2, "n", "/f", {{"/a\xfe", 'A', 3}}};
    }
    return out;
  }

  std::mt19937_64 random_;
  uint64_t sessions_ = 0;
};

TEST(Journal, ReplayEqualsLiveUnderRandomInputsAndCrashes) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    const Folder folder;
    Chaos chaos(seed);
    auto journal = *Journal::open(folder.db());
    State live;
    Time now{1'700'000'000'000'000};
    for (int batch = 0; batch < 120; ++batch) {
      std::vector<Event> events;
      const auto take = [&](const Input& input) {
        Decision decision = step(live, input, now);
        events.insert(events.end(), decision.events.begin(), decision.events.end());
      };
      for (uint64_t i = 0; i <= chaos.pick(4); ++i) take(chaos.next(live));
      take(Place{});
      if (chaos.pick(3) == 0) {
        live.policy.keep_in_memory = seconds(static_cast<int64_t>(chaos.pick(60)));
        take(Archived{jobs_to_archive(live, now, 5)});
      }
      now = now + milliseconds(static_cast<int64_t>(chaos.pick(3000)));
      const uint64_t crash = chaos.pick(30);
      const Ledger durable = crash == 0 ? replay(*journal) : Ledger{};
      if (crash != 0) {
        ASSERT_TRUE(journal->append(events));
        ASSERT_TRUE(journal->tidy());
      }
      const std::vector<std::string> broken = broken_invariants(live);
      ASSERT_TRUE(broken.empty()) << broken[0];
      if (crash > 1) continue;
      // Killed before (0) or after (1) the batch was durable: what is found again is exactly that.
      journal.reset();
      journal = *Journal::open(folder.db());
      const Ledger found = replay(*journal);
      ASSERT_TRUE(found == (crash == 0 ? durable : static_cast<const Ledger&>(live)));
      live = State{};
      static_cast<Ledger&>(live) = found;
      live.presence.started = now;
    }
    ASSERT_TRUE(replay(*journal) == static_cast<const Ledger&>(live));
  }
}

TEST(Journal, OneAtATime) {
  const Folder folder;
  const auto first = Journal::open(folder.db());
  ASSERT_TRUE(first);
  const auto second = Journal::open(folder.db());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
}

TEST(Journal, ANewerSchemaIsRefused) {
  const Folder folder;
  Journal::open(folder.db()).value().reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(folder.db().c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "UPDATE meta SET value = value + 1 WHERE key = 'schema'", nullptr, nullptr,
               nullptr);
  sqlite3_close(db);
  const auto opened = Journal::open(folder.db());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kUnsupported);
}

// A whole life of a job of two attempts; ids of jobs from `job`, of nodes as told.
std::vector<Event> life(JobId job, const std::string& node, Time at) {
  JobSubmitted submitted{job, "request " + std::to_string(job), {}, {}};
  submitted.spec.user = "ada";
  ObservedAttempt ended;
  ended.key = {job, kNoTask, 0, 1};
  ended.phase = Phase::kEnded;
  ended.ending = Ending{EndCause::kExited, 3, "", ""};
  const TaskKey task{job, kNoTask};
  return {{at, submitted},
          {at, TaskPlaced{task, 1, {node}}},
          {at, AttemptReported{node, ended}},
          {at, TaskRetried{task, *ended.ending, at}},
          {at, TaskEnded{task, JobState::kCancelled, *ended.ending}}};
}

NodeJoined joined(const std::string& node, const std::string& boot) {
  NodeJoined out;
  out.hello.name = node;
  out.hello.boot_id = boot;
  return out;
}

int64_t rows(const std::string& path, const std::string& where) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  const std::string sql = "SELECT count(*) FROM event WHERE " + where;
  EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
  const int64_t out = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return out;
}

TEST(Journal, EventsOfArchivedJobsGoAndNumbersAreNotUsedAgain) {
  const Folder folder;
  auto journal = *Journal::open(folder.db());
  const Time now{1'700'000'000'000'000};
  Ledger live;
  const auto write = [&](std::vector<Event> events) {
    for (const Event& event : events) apply(live, event);
    ASSERT_TRUE(journal->append(events));
  };
  write({{now, joined("n1", "boot 1")}, {now, joined("n2", "boot 1")}});
  for (JobId job = 1; job <= 900; ++job) write(life(job, "n1", now));
  // The node is lost and comes back as another.
  write({{now, NodeDeclaredLost{"n1", "gone"}}, {now, joined("n1", "boot 2")}});
  for (JobId job = 2; job <= 900; ++job) write({{now, JobArchived{job}}});
  // Not all can have gone yet, and none of it is seen.
  EXPECT_TRUE(replay(*journal) == live);
  journal.reset();
  journal = *Journal::open(folder.db());
  EXPECT_TRUE(replay(*journal) == live);
  EXPECT_EQ(live.next_job, 901u);
  while (true) {
    ASSERT_TRUE(journal->tidy());
    journal.reset();
    if (rows(folder.db(), "job > 1") == 0) break;
    journal = *Journal::open(folder.db());
  }
  EXPECT_EQ(rows(folder.db(), "job = 1"), 5);
  // What the loss ended may be job 1's, so it is still told; the hello before it is not.
  EXPECT_EQ(rows(folder.db(), "node = 'n1'"), 2);
  journal = *Journal::open(folder.db());
  EXPECT_TRUE(replay(*journal) == live);
  write({{now, JobArchived{1}}});
  ASSERT_TRUE(journal->tidy());
  journal.reset();
  EXPECT_EQ(rows(folder.db(), "node = 'n1'"), 1);
  EXPECT_EQ(rows(folder.db(), "job != 0"), 0);
  journal = *Journal::open(folder.db());
  const Ledger found = replay(*journal);
  EXPECT_TRUE(found == live);
  EXPECT_EQ(found.next_job, 901u);
  EXPECT_TRUE(broken_invariants(found).empty());
}

TEST(Codec, WhatAJobAsksForNowSurvives) {
  const Event event{Time{7}, JobReshaped{3, {2000, 1 << 30, 1, "A100"}}};
  EXPECT_EQ(*decode(encode(event)), event);
}

TEST(Codec, RefusesWhatIsNoEvent) {
  EXPECT_FALSE(decode("\xff\xff"));
  EXPECT_FALSE(decode(""));
  const Event event{{7}, TaskPlaced{{1, 2}, 3, {"a", "b"}}};
  EXPECT_TRUE(*decode(encode(event)) == event);
}

}  // namespace
}  // namespace devrun::controller
