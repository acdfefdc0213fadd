// What a job wrote comes home, and never over an edit: the table of outcomes, on each file system.
#include "controller/storage/home.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/controller/storage/home_fixture.h"

namespace devrun::storage {
namespace {

TEST_P(HomeTest, WhatNobodyTouchedIsTaken) {
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/out/new", std::string(3000, 'n'));
  job.remove("root/proj/b");
  job.link("root/proj/link", "out/new");
  job.write("etc/conf", "c1");
  const HomeSummary done = home(job);
  EXPECT_EQ(text("root/proj/a"), "a1");
  EXPECT_EQ(text("root/proj/out/new"), std::string(3000, 'n'));
  EXPECT_EQ(text("root/proj/b"), "(none)");
  EXPECT_EQ(fs::read_symlink(live("root/proj/link")), "out/new");
  EXPECT_EQ(text("etc/conf"), "c0");
  EXPECT_EQ(done.files, 4u);
  EXPECT_EQ(done.bytes, 3002);
  EXPECT_EQ(done.folder, "/root/proj");
  EXPECT_EQ(done.conflicts, 0u);
  EXPECT_EQ(done.kept, 1u);
  EXPECT_EQ(changes(start_.key), (Changes{{"etc/conf", "M kept"},
                                          {"root/proj/a", "M home"},
                                          {"root/proj/b", "D home"},
                                          {"root/proj/link", "A home"},
                                          {"root/proj/out", "A home"},
                                          {"root/proj/out/new", "A home"}}));
  // And nothing of ours is left behind.
  for (const auto& at : fs::recursive_directory_iterator(live("root"))) {
    EXPECT_FALSE(at.path().filename().string().starts_with(".devrun")) << at.path();
  }
}

TEST_P(HomeTest, TheSameAgainChangesNothing) {
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/new", "n");
  const HomeSummary first = home(job);
  const Digest before = snapshot().tree;
  EXPECT_EQ(home(job), first);
  EXPECT_EQ(snapshot().tree, before);
}

TEST_P(HomeTest, AnEditStaysAndTheJobsVersionCanBeTaken) {
  put("root/proj/a", "edited");
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/new", "n");
  const HomeSummary done = home(job);
  EXPECT_EQ(text("root/proj/a"), "edited");
  EXPECT_EQ(text("root/proj/new"), "n");
  EXPECT_EQ(done.conflicts, 1u);
  ASSERT_EQ(done.conflicting.size(), 1u);
  EXPECT_EQ(done.conflicting[0].path, "/root/proj/a");
  EXPECT_EQ(changes(start_.key)["root/proj/a"], "M conflict");

  const Taken still = take({start_.key, {"root/proj/a"}, false, false});
  EXPECT_EQ(still.files, 0u);
  EXPECT_EQ(still.conflicts, std::vector<std::string>{"root/proj/a"});
  EXPECT_EQ(text("root/proj/a"), "edited");

  EXPECT_EQ(take({start_.key, {"root/proj/a"}, true, false}).beside, 1u);
  EXPECT_EQ(text("root/proj/a"), "edited");
  EXPECT_EQ(text("root/proj/a.devrun-7"), "a1");

  EXPECT_EQ(take({start_.key, {"root/proj/a"}, false, true}).files, 1u);
  EXPECT_EQ(text("root/proj/a"), "a1");
  EXPECT_EQ(changes(start_.key)["root/proj/a"], "M home");
}

TEST_P(HomeTest, EqualBytesAreNoConflict) {
  put("root/proj/a", "same");
  put("root/proj/new", "n");
  UpperModel job;
  job.write("root/proj/a", "same");
  job.write("root/proj/new", "n");
  EXPECT_EQ(home(job).conflicts, 0u);
}

TEST_P(HomeTest, AJobsOwnEarlierVersionIsNone) {
  UpperModel job;
  job.write("root/proj/ckpt", "v1");
  HomeStart partial = start_;
  partial.final = false;
  EXPECT_EQ(home(partial, job).files, 1u);
  EXPECT_EQ(text("root/proj/ckpt"), "v1");
  job.write("root/proj/ckpt", "version 2");
  EXPECT_EQ(home(partial, job).files, 1u);
  EXPECT_EQ(text("root/proj/ckpt"), "version 2");
  EXPECT_FALSE(storage_->change_set(start_.key)->complete);
  job.write("root/proj/ckpt", "the last");
  const HomeSummary done = home(job);
  EXPECT_EQ(done.conflicts, 0u);
  EXPECT_EQ(text("root/proj/ckpt"), "the last");
  EXPECT_TRUE(storage_->change_set(start_.key)->complete);
}

TEST_P(HomeTest, WhatAPartialRoundDoesNotTellIsAsItWas) {
  UpperModel job;
  job.write("root/proj/x", "x1");
  HomeStart partial = start_;
  partial.final = false;
  home(partial, job);
  UpperModel more;
  more.write("root/proj/y", "y1");
  home(partial, more);
  EXPECT_EQ(text("root/proj/x"), "x1");
  EXPECT_EQ(text("root/proj/y"), "y1");
  // At the end, what was deleted since goes, if nobody has touched it here.
  EXPECT_EQ(home(more).files, 1u);
  EXPECT_EQ(text("root/proj/x"), "(none)");
}

TEST_P(HomeTest, DeletingAnEditedFileIsAConflict) {
  put("root/proj/b", "edited");
  UpperModel job;
  job.remove("root/proj/b");
  EXPECT_EQ(home(job).conflicts, 1u);
  EXPECT_EQ(text("root/proj/b"), "edited");
}

TEST_P(HomeTest, WritingADeletedFileIsAConflict) {
  fs::remove(live("root/proj/b"));
  UpperModel job;
  job.write("root/proj/b", "b1");
  EXPECT_EQ(home(job).conflicts, 1u);
  EXPECT_EQ(text("root/proj/b"), "(none)");
  EXPECT_EQ(take({start_.key, {"root/proj/b"}, false, true}).files, 1u);
  EXPECT_EQ(text("root/proj/b"), "b1");
}

TEST_P(HomeTest, AFolderAgainstAFile) {
  put("root/proj/new", "a file of the developer's");
  UpperModel job;
  job.write("root/proj/new/inside", "i");
  EXPECT_EQ(home(job).conflicts, 1u);
  EXPECT_EQ(text("root/proj/new"), "a file of the developer's");
  take({start_.key, {"root/proj/new"}, false, true});
  EXPECT_EQ(text("root/proj/new/inside"), "i");
}

TEST_P(HomeTest, ADeletedFolderKeepsWhatWasEditedInIt) {
  put("root/proj/d/one", "1");
  put("root/proj/d/two", "2");
  start_.root = snapshot().tree;
  put("root/proj/d/two", "edited");
  put("root/proj/d/three", "new");
  UpperModel job;
  job.remove("root/proj/d");
  EXPECT_GT(home(job).conflicts, 0u);
  EXPECT_EQ(text("root/proj/d/one"), "(none)");
  EXPECT_EQ(text("root/proj/d/two"), "edited");
  EXPECT_EQ(text("root/proj/d/three"), "new");
}

TEST_P(HomeTest, TwoJobsThatWriteOneNameTheFirstHasIt) {
  UpperModel one, other;
  one.write("root/proj/result", "of one");
  other.write("root/proj/result", "of the other");
  EXPECT_EQ(home(one).conflicts, 0u);
  HomeStart second = start_;
  second.key.job = 8;
  EXPECT_EQ(home(second, other).conflicts, 1u);
  EXPECT_EQ(text("root/proj/result"), "of one");
  EXPECT_EQ(changes(second.key)["root/proj/result"], "A conflict");
}

TEST_P(HomeTest, UndoTakesOutWhatNobodyChangedSince) {
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/b", "b1");
  job.write("root/proj/new", "n");
  home(job);
  put("root/proj/b", "edited since");
  Work work;
  const Result<Taken> undone = storage_->undo_changes(start_.key, work);
  ASSERT_TRUE(undone) << undone.error().message;
  EXPECT_EQ(text("root/proj/a"), "a0");
  EXPECT_EQ(text("root/proj/b"), "edited since");
  EXPECT_EQ(text("root/proj/new"), "(none)");
  EXPECT_EQ(undone->conflicts, std::vector<std::string>{"root/proj/b"});
  EXPECT_EQ(changes(start_.key)["root/proj/new"], "A kept");
  EXPECT_EQ(take({start_.key, {"root/proj/new"}, false, false}).files, 1u);
  EXPECT_EQ(text("root/proj/new"), "n");
}

TEST_P(HomeTest, DatabasesTravelWithTheirJournalsOrNotAtAll) {
  put("root/proj/x.db", "d0");
  put("root/proj/x.db-wal", "w0");
  start_.root = snapshot().tree;
  put("root/proj/x.db-wal", "edited");
  UpperModel job;
  job.write("root/proj/x.db", "d1");
  job.write("root/proj/x.db-wal", "w1");
  job.write("root/proj/y.db", "y1");
  EXPECT_EQ(home(job).conflicts, 2u);
  EXPECT_EQ(text("root/proj/x.db"), "d0");
  EXPECT_EQ(text("root/proj/y.db"), "y1");
}

TEST_P(HomeTest, EditsOfAnotherFileOfADatabaseAreEditsOfIt) {
  put("root/proj/x.db", "d0");
  put("root/proj/y.db", "d0");
  start_.root = snapshot().tree;
  // The job leaves a log beside a database that the developer changes, and the reverse.
  put("root/proj/x.db", "edited");
  put("root/proj/y.db-wal", "hot");
  UpperModel job;
  job.write("root/proj/x.db-wal", "w1");
  job.write("root/proj/y.db", "y1");
  job.write("root/proj/z.db", "z1");
  job.write("root/proj/z.db-wal", "z1");
  EXPECT_EQ(home(job).conflicts, 2u);
  EXPECT_EQ(text("root/proj/x.db-wal"), "(none)");
  EXPECT_EQ(text("root/proj/y.db"), "d0");
  EXPECT_EQ(text("root/proj/z.db-wal"), "z1");
  EXPECT_EQ(home(job).conflicts, 2u);  // and the same again
  // Over what is there: with nothing of the developer's beside it.
  EXPECT_GT(take({start_.key, {"root/proj/y.db"}, false, true}).files, 0u);
  EXPECT_EQ(text("root/proj/y.db"), "y1");
  EXPECT_EQ(text("root/proj/y.db-wal"), "(none)");
}

TEST_P(HomeTest, UndoLeavesADatabaseThatIsInUse) {
  put("root/proj/x.db", "d0");
  start_.root = snapshot().tree;
  UpperModel job;
  job.write("root/proj/x.db", "d1");
  EXPECT_EQ(home(job).conflicts, 0u);
  put("root/proj/x.db-wal", "hot");
  Work work;
  EXPECT_EQ(storage_->undo_changes(start_.key, work)->conflicts_in_all, 1u);
  EXPECT_EQ(text("root/proj/x.db"), "d1");
}

TEST_P(HomeTest, FilesOfADatabaseAreAppliedTogether) {
  start_.applies = false;
  UpperModel job;
  job.write("root/proj/x.db", "d1");
  job.write("root/proj/x.db-wal", "w1");
  home(job);
  EXPECT_EQ(take({start_.key, {"root/proj/x.db"}, false, false}).files, 2u);
  EXPECT_EQ(text("root/proj/x.db-wal"), "w1");
}

TEST_P(HomeTest, WhatIsPutBesideTakesNobodysName) {
  const std::string name(250, 'n');
  put("root/proj/a", "edited");
  put("root/proj/a.devrun-7", "precious");
  put("root/proj/" + name, "edited");
  put("root/proj/d", "a file");
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/" + name, "long");
  job.write("root/proj/d/inside", "i");
  EXPECT_EQ(home(job).conflicts, 3u);
  EXPECT_EQ(take({start_.key, {}, true, false}).beside, 3u);
  EXPECT_EQ(text("root/proj/a.devrun-7"), "precious");
  EXPECT_EQ(text("root/proj/a.devrun-7.2"), "a1");
  EXPECT_EQ(text("root/proj/d.devrun-7/inside"), "i");
  EXPECT_EQ(text("root/proj/" + std::string(246, 'n') + ".devrun-7"), "long");
  EXPECT_EQ(take({start_.key, {}, true, false}).beside, 0u) << "they are there already";
}

TEST_P(HomeTest, WhatCannotBeWrittenHoldsUpNothingElse) {
  UpperModel job;
  job.write("root/proj/good", "g");
  job.write("root/proj/large-attributes", "l");
  job.give_attribute("root/proj/large-attributes", std::string(60'000, 'x'));
  const HomeSummary done = home(job);
  EXPECT_EQ(text("root/proj/good"), "g");
  EXPECT_EQ(done.conflicts, text("root/proj/large-attributes") == "(none)" ? 1u : 0u);
}

TEST_P(HomeTest, AFileOfSeveralNamesIsWrittenThroughAllOfThem) {
  fs::create_hard_link(live("root/proj/a"), live("root/proj/also-a"));
  start_.root = snapshot().tree;
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.copy_up("root/proj/a");
  const HomeSummary done = home(job);
  EXPECT_EQ(done.conflicts, 0u);
  EXPECT_EQ(text("root/proj/a"), "a1");
  EXPECT_EQ(text("root/proj/also-a"), "a1");
  EXPECT_TRUE(fs::equivalent(live("root/proj/a"), live("root/proj/also-a")));
  // One that was replaced takes only its own name with it.
  start_.key.job = 8;
  start_.root = snapshot().tree;
  UpperModel other;
  other.write("root/proj/a", "a2");
  EXPECT_EQ(home(other).conflicts, 0u);
  EXPECT_EQ(text("root/proj/a"), "a2");
  EXPECT_EQ(text("root/proj/also-a"), "a1");
}

TEST_P(HomeTest, NobodyBecomesRootByWhatAJobLeft) {
  UpperModel job;
  job.write("root/proj/sh", "x", 04755);
  job.write("root/proj/plain", "x", 0755);
  EXPECT_EQ(home(job).kept, 1u);
  EXPECT_EQ(text("root/proj/sh"), "(none)");
  EXPECT_EQ(text("root/proj/plain"), "x");
}

TEST_P(HomeTest, AKeptChangeSetTouchesNothing) {
  start_.applies = false;
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/.git/index", "g");
  const HomeSummary done = home(job);
  EXPECT_EQ(done.files, 0u);
  EXPECT_EQ(done.kept, 2u);
  EXPECT_EQ(text("root/proj/a"), "a0");
  EXPECT_EQ(take({start_.key, {}, false, false}).files, 2u);
  EXPECT_EQ(text("root/proj/a"), "a1");
  EXPECT_EQ(text("root/proj/.git/index"), "g");
}

TEST_P(HomeTest, AFileThatIsBeingWrittenIsNotReplaced) {
  const UniqueFd writer(::open(live("root/proj/a").c_str(), O_RDWR));
  UpperModel job;
  job.write("root/proj/a", "a1");
  EXPECT_EQ(home(job).conflicts, 1u);
  ASSERT_TRUE(write_all(writer.get(), "still mine"));
  EXPECT_EQ(text("root/proj/a"), "still mine");
}

TEST_P(HomeTest, BodiesThatCameHomeAreNotReadAgain) {
  UpperModel job;
  job.write("root/proj/big", std::string(3 << 20, 'b'));
  home(job);
  const Digest tree = snapshot().tree;
  reopen();
  EXPECT_EQ(text("root/proj/big"), std::string(3 << 20, 'b'));
  std::string bytes;
  ASSERT_TRUE(storage_->read_tree_file(tree, "root/proj/big", 4 << 20, [&](std::string_view part) {
    bytes += part;
    return ok();
  }));
  EXPECT_EQ(bytes, std::string(3 << 20, 'b'));
}

TEST_P(HomeTest, BytesThatAreNotThoseOfTheirBodyAreRefused) {
  UpperModel job;
  job.write("root/proj/x", std::string(2000, 'x'));
  const auto round = *storage_->begin_round(start_);
  ASSERT_EQ(round->add(job.items())->size(), 1u);
  EXPECT_FALSE(round->finish());
  EXPECT_EQ(round->bytes(2, std::string(2000, 'y'), true).error().code, Code::kConflict);
  EXPECT_EQ(text("root/proj/x"), "(none)");
}

TEST_P(HomeTest, EntriesOutOfOrderAreRefused) {
  for (const std::vector<std::string>& paths :
       {std::vector<std::string>{"b", "a"}, {"a/x"}, {"a", "a"}, {""}, {".."}, {"a//b"}}) {
    const auto round = *storage_->begin_round(start_);
    std::vector<UpperItem> items;
    for (const std::string& path : paths) {
      items.emplace_back().path = path;
      items.back().entry.inode = 5;
    }
    EXPECT_EQ(round->add(items).error().code, Code::kInvalid) << paths.front();
  }
}

INSTANTIATE_TEST_SUITE_P(On, HomeTest, kEveryFileSystem, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
