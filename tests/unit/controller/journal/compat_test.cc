// Journals that programs of earlier versions wrote (tests/compat): they are brought up to date, and what is replayed is
// what `devrun show` told then.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/core/apply.h"
#include "controller/core/invariants.h"
#include "controller/journal/journal.h"
#include "controller/journal/schema.h"
#include "tests/unit/controller/journal/folder.h"

namespace devrun::controller {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string compat(const std::string& name) {
  return std::string(DEVRUN_SOURCE_FOLDER) + "/tests/compat/" + name;
}

void tell_ranks(std::ostream& out, int32_t index, uint32_t attempt,
                const std::vector<Rank>& ranks) {
  for (size_t i = 0; i < ranks.size(); ++i) {
    out << ' ' << index << '#' << attempt << '.' << i << ':' << ranks[i].node << '='
        << ranks[i].ending->status << ',' << ranks[i].output_bytes;
  }
}

// As tests/compat/make_journal.py writes it.
std::string told(const Ledger& ledger) {
  std::ostringstream out;
  for (const auto& [id, job] : ledger.jobs) {
    out << id << ' ' << job.spec.user << ' ' << job.spec.name << ' '
        << state_name(job.outcome->state) << ' ' << job.outcome->ending.status;
    for (const auto& [index, task] : job.tasks) {
      for (uint32_t n = 0; n < task.past.size(); ++n)
        tell_ranks(out, index, n + 1, task.past[n].ranks);
      tell_ranks(out, index, task.attempt, task.ranks);
    }
    out << '\n';
  }
  return out.str();
}

Ledger replay(Journal& journal) {
  Ledger ledger;
  const Status replayed = journal.replay([&](const Event& event) { apply(ledger, event); });
  EXPECT_TRUE(replayed) << replayed.error().message;
  return ledger;
}

class Compat : public ::testing::TestWithParam<int> {};

TEST_P(Compat, IsReplayedAsItWas) {
  const std::string name = "journal_" + std::to_string(GetParam());
  const Folder folder;
  std::filesystem::copy_file(compat(name + ".db"), folder.db());
  auto journal = Journal::open(folder.db());
  ASSERT_TRUE(journal) << journal.error().message;
  const Ledger ledger = replay(**journal);
  EXPECT_EQ(told(ledger), text_of(compat(name + ".txt")));
  const std::vector<std::string> broken = broken_invariants(ledger);
  EXPECT_TRUE(broken.empty()) << broken[0];
  // It is one of today's from now on.
  NodeJoined joined;
  joined.hello.name = "new";
  ASSERT_TRUE((*journal)->append(std::vector<Event>{{Time{1}, joined}}));
  journal->reset();
  journal = Journal::open(folder.db());
  ASSERT_TRUE(journal) << journal.error().message;
  const Ledger again = replay(**journal);
  EXPECT_EQ(again.nodes.count("new"), 1u);
  EXPECT_TRUE(again.jobs == ledger.jobs);
}
INSTANTIATE_TEST_SUITE_P(Schemas, Compat, ::testing::Range<int>(1, kJournalSchema));

TEST(Compat, ADamagedOneIsLeftAsItIs) {
  const Folder folder;
  std::filesystem::copy_file(compat("journal_1.db"), folder.db());
  const auto run = [&](const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(folder.db().c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  };
  run("CREATE TABLE kept AS SELECT * FROM event WHERE id = 7;"
      "UPDATE event SET body = x'ffff' WHERE id = 7");
  const auto refused = Journal::open(folder.db());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  run("UPDATE event SET body = (SELECT body FROM kept) WHERE id = 7");
  const auto journal = Journal::open(folder.db());
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(told(replay(**journal)), text_of(compat("journal_1.txt")));
}

}  // namespace
}  // namespace devrun::controller
