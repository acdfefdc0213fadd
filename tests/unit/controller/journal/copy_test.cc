// A copy of the journal that is taken in steps, between which it is written, is the journal as of its last step.
#include <gtest/gtest.h>

#include "controller/core/apply.h"
#include "controller/journal/history.h"
#include "controller/journal/journal.h"
#include "tests/unit/controller/journal/folder.h"

namespace devrun::controller {
namespace {

std::vector<Event> drained(int n) {
  return {
      {Time{n + 1}, NodeDrained{"node" + std::to_string(n), true, std::string(2000, 'x'), "root"}}};
}

Ledger replay(const std::string& path) {
  const auto journal = Journal::open(path);
  EXPECT_TRUE(journal);
  Ledger ledger;
  if (!journal) return ledger;
  EXPECT_TRUE((*journal)->replay([&](const Event& event) { apply(ledger, event); }));
  return ledger;
}

TEST(JournalCopy, HasWhatWasWrittenBetweenItsSteps) {
  Folder folder;
  const auto journal = Journal::open(folder.db());
  ASSERT_TRUE(journal);
  int written = 0;
  for (; written < 200; ++written) ASSERT_TRUE((*journal)->append(drained(written)));
  const std::string path = folder.path + "/copy.db";
  {
    const auto copy = (*journal)->begin_copy(path);
    ASSERT_TRUE(copy) << copy.error().message;
    int steps = 0;
    for (bool all = false; !all; ++steps) {
      const auto stepped = (*copy)->step(7);
      ASSERT_TRUE(stepped) << stepped.error().message;
      all = *stepped;
      if (!all && steps % 3 == 0) {
        ASSERT_TRUE((*journal)->append(drained(written++)));
      }
    }
    EXPECT_GT(steps, 5);
    EXPECT_GT(written, 202);
  }
  const int at_copy = written;
  ASSERT_TRUE((*journal)->append(drained(written++)));
  EXPECT_EQ(replay(path).nodes.size(), static_cast<size_t>(at_copy));
}

TEST(JournalCopy, RestoredIsAnEventLikeOthers) {
  Folder folder;
  const std::vector<Event> events = {{Time{5}, Restored{Time{3}, 4711}}};
  {
    const auto journal = Journal::open(folder.db());
    ASSERT_TRUE(journal);
    ASSERT_TRUE((*journal)->append(events));
  }
  const Ledger ledger = replay(folder.db());
  EXPECT_EQ(ledger.next_job, 4711u);
  EXPECT_EQ(ledger.restored.backup, Time{3});
  EXPECT_EQ(ledger.restored.before, 4711u);
}

TEST(JournalCopy, TheHistoryIsCopiedWhileItIsOpen) {
  Folder folder;
  const auto history = History::open(folder.path + "/history.db");
  ASSERT_TRUE(history);
  Job job;
  job.id = 5;
  job.spec.user = "ada";
  job.outcome = Outcome{JobState::kSucceeded, {}, Time{7}};
  const HistoryEntry entry{job, {}};
  ASSERT_TRUE((*history)->put({&entry, 1}));
  const std::string path = folder.path + "/copy.db";
  ASSERT_TRUE((*history)->copy_to(path));
  const auto copy = History::open(path);
  ASSERT_TRUE(copy);
  const auto found = (*copy)->find(5);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->has_value());
}

}  // namespace
}  // namespace devrun::controller
