// Bringing home at its edges: databases that change at the last moment, folders that were closed, and what is put beside or over.
#include <unistd.h>

#include "tests/unit/controller/storage/home_fixture.h"

namespace devrun::storage {
namespace {

class HomeEdgesTest : public HomeTest {};

// All of its files are looked at before the first of them is written.
TEST_P(HomeEdgesTest, ADatabaseThatIsEditedAtTheLastMomentStaysWhole) {
  bool edited = false;
  fault_ = [&](std::string_view name) {
    if (name != "home.recorded" || edited) return;
    edited = true;
    put("root/proj/x.db-wal", "edited");
    put("root/proj/y.db-wal", "new");
  };
  reopen();
  for (const std::string name : {"x", "y", "z"}) put("root/proj/" + name + ".db", "d0");
  put("root/proj/x.db-wal", "w0");
  put("root/proj/z.db-wal", "w0");
  start_.root = snapshot().tree;
  UpperModel job;
  for (const std::string name : {"x", "y", "z"}) {
    job.write("root/proj/" + name + ".db", "d1");
    job.write("root/proj/" + name + ".db-wal", "w1");
  }
  EXPECT_EQ(home(job).conflicts, 4u);
  EXPECT_TRUE(edited);
  EXPECT_EQ(text("root/proj/x.db"), "d0");
  EXPECT_EQ(text("root/proj/x.db-wal"), "edited");
  EXPECT_EQ(text("root/proj/y.db"), "d0");
  EXPECT_EQ(text("root/proj/y.db-wal"), "new");
  EXPECT_EQ(text("root/proj/z.db"), "d1");
  EXPECT_EQ(text("root/proj/z.db-wal"), "w1");
}

// A folder that was open to the job's user when it began, and one that never was, where the job had other rights.
TEST_P(HomeEdgesTest, WhatWasClosedToItsUserTakesNothing) {
  constexpr uint32_t kAda = 1000;
  for (const char* folder : {"root/mine/deep", "root/other"}) fs::create_directories(live(folder));
  put("root/mine/a", "a0");
  put("root/mine/deep/b", "b0");
  for (const char* folder : {"root/mine", "root/mine/deep"}) {
    ASSERT_EQ(::chown(live(folder).c_str(), kAda, kAda), 0);
    fs::permissions(live(folder), fs::perms(0755));
  }
  fs::permissions(live("root"), fs::perms(0755));
  fs::permissions(live("root/other"), fs::perms(0755));
  start_.user.uid = start_.user.gid = kAda;
  start_.root = snapshot().tree;
  UpperModel job;
  job.write("root/mine/a", "a1");
  job.write("root/mine/new/x", "x1");
  job.remove("root/mine/deep/b");
  job.write("root/other/o", "o1");
  fs::permissions(live("root/mine"), fs::perms(0500));
  const HomeSummary done = home(job);
  EXPECT_EQ(text("root/mine/a"), "a0");
  EXPECT_FALSE(fs::exists(live("root/mine/new")));
  EXPECT_EQ(text("root/mine/deep/b"), "(none)") << "one may still pass through";
  EXPECT_EQ(text("root/other/o"), "o1");
  EXPECT_EQ(changes(start_.key)["root/mine/a"], "M conflict");
  fs::permissions(live("root/mine"), fs::perms(0600));
  job.write("root/mine/deep/c", "c1");
  home(job);
  EXPECT_FALSE(fs::exists(live("root/mine/deep/c")));
  // Asked for, it is taken.
  EXPECT_GT(take({start_.key, {}, false, false}).files, 0u);
  EXPECT_EQ(text("root/mine/new/x"), "x1");
  EXPECT_EQ(text("root/mine/deep/c"), "c1");
}

TEST_P(HomeEdgesTest, UndoTakesAwayWhatWasPutBeside) {
  for (const char* name : {"root/proj/a", "root/proj/b"}) put(name, "edited");
  UpperModel job;
  job.write("root/proj/a", "a1");
  job.write("root/proj/b", "b1");
  EXPECT_EQ(home(job).conflicts, 2u);
  EXPECT_EQ(take({start_.key, {}, true, false}).beside, 2u);
  put("root/proj/b.devrun-7", "edited, too");
  Work work;
  const Result<Taken> undone = storage_->undo_changes(start_.key, work);
  ASSERT_TRUE(undone) << undone.error().message;
  EXPECT_EQ(undone->files, 1u);
  EXPECT_EQ(text("root/proj/a"), "edited");
  EXPECT_EQ(text("root/proj/a.devrun-7"), "(none)");
  EXPECT_EQ(text("root/proj/b.devrun-7"), "edited, too");
}

TEST_P(HomeEdgesTest, WhatIsOverwrittenIsKeptUnderAName) {
  put("root/proj/a", "edited");
  UpperModel job;
  job.write("root/proj/a", "a1");
  home(job);
  const Taken taken = take({start_.key, {}, false, true});
  EXPECT_EQ(text("root/proj/a"), "a1");
  EXPECT_TRUE(taken.kept.starts_with("v@")) << taken.kept;
  std::string kept;
  const Digest tree = storage_->find_snapshot({"v", taken.kept.substr(2)})->tree;
  ASSERT_TRUE(storage_->read_tree_file(tree, "root/proj/a", 100, [&](std::string_view bytes) {
    kept += bytes;
    return ok();
  }));
  EXPECT_EQ(kept, "edited");
}

INSTANTIATE_TEST_SUITE_P(On, HomeEdgesTest, kEveryFileSystem, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
