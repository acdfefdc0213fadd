// What the store says of nodes outlives a journal.
#include "controller/rpc/known_nodes.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/file.h"
#include "controller/core/apply.h"
#include "controller/rpc/backup.h"

namespace devrun::controller {
namespace {

struct KnownNodes : ::testing::Test {
  KnownNodes() {
    std::string pattern = "/tmp/devrun-nodes-XXXXXX";
    store = ::mkdtemp(pattern.data());
    folder = nodes_folder_beside(store + "/jobs");
  }
  ~KnownNodes() override { std::filesystem::remove_all(store); }
  std::string store, folder;
};

TEST_F(KnownNodes, AreThoseThatWereNotedAndNotLost) {
  EXPECT_EQ(folder, store + "/nodes");
  EXPECT_TRUE(noted_nodes(folder)->empty());
  for (const char* name : {"node2", "node1", "gpu.lab", "node1"}) {
    EXPECT_TRUE(note_node(folder, name));
  }
  EXPECT_TRUE(forget_node(folder, "node2"));
  EXPECT_TRUE(forget_node(folder, "never"));
  EXPECT_FALSE(note_node(folder, "../jobs"));
  std::ofstream(folder + "/node3.new.17") << "";
  EXPECT_EQ(*noted_nodes(folder), (std::vector<std::string>{"gpu.lab", "node1"}));
}

// One that joined after the backup may run what waited then.
TEST_F(KnownNodes, AreAllAwaitedByAJournalThatWentBack) {
  State state;
  for (const auto& [name, lost] : {std::pair{"known", false}, {"back", true}, {"gone", true}}) {
    NodeHello hello;
    hello.name = name;
    apply(state, {Time{1}, NodeJoined{hello}});
    if (lost) apply(state, {Time{1}, NodeDeclaredLost{name, "it burnt"}});
  }
  for (const char* name : {"known", "back", "new"}) ASSERT_TRUE(note_node(folder, name));
  ASSERT_TRUE(write_file_durably(store + "/restored.json", "{\"backup_us\": 5}", 0600));
  const auto journal = Journal::open(store + "/journal.db");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(go_on_from_backup(store, store + "/jobs", state, **journal, Time{9}));
  const std::set<std::string> all = {"known", "back", "new"};
  EXPECT_EQ(state.restored.awaited, all);
  EXPECT_FALSE(state.nodes.at("new").lost);
  EXPECT_FALSE(std::filesystem::exists(store + "/restored.json"));
  Ledger replayed;
  ASSERT_TRUE((*journal)->replay([&](const Event& event) { apply(replayed, event); }));
  EXPECT_TRUE(replayed.restored.awaited.contains("new") &&
              replayed.restored.awaited.contains("back"));
}

// What was given between the backup and the restore, and between two restores of one backup, may be in people's hands.
TEST_F(KnownNodes, NumbersOfJobsAreNotGivenTwice) {
  JobId before = 999'995;
  for (const JobId expected : {2'000'000, 3'000'000}) {
    State state;
    state.next_job = 999'990;
    ASSERT_TRUE(write_file_durably(store + "/restored.json", "{\"backup_us\": 5}", 0600));
    const std::string file = store + "/journal" + std::to_string(expected) + ".db";
    const auto journal = Journal::open(file);
    ASSERT_TRUE(journal);
    ASSERT_TRUE(go_on_from_backup(store, store + "/jobs", state, **journal, Time{9}));
    EXPECT_EQ(state.next_job, expected);
    EXPECT_GT(state.next_job, before + 100'000 - 10);
    before = state.next_job;
  }
}

}  // namespace
}  // namespace devrun::controller
