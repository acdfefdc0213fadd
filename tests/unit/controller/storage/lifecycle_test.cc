// The life of volumes and snapshots after they were made: names, comparing, restoring, copies,
// archives, quota, and what the collector deletes and spares. On every file system.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

class LifecycleTest : public StoreTest {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    StoreTest::SetUp();
  }
  SnapshotRecord keep(const std::string& message) {
    const Result<SnapshotRecord> out = storage_->keep_snapshot("v", message);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : SnapshotRecord{};
  }
  void in_live(const std::string& script) {
    shell("cd " + storage_->live_path("v") + " && " + script);
  }
  // "A path", "D path", "M path", "T path", "a path"; without what only times tell.
  std::vector<std::string> diff(const SnapshotName& before, const SnapshotName& after) {
    std::vector<std::string> out;
    const Status done = storage_->diff(
        before, after, [](const SnapshotRecord&, const SnapshotRecord&) { return ok(); },
        [&](const tree::Difference& one) -> Status {
          const tree::Changes& c = one.changes;
          const char* kind = "a ";
          if (one.before == nullptr) {
            kind = "A ";
          } else if (one.after == nullptr) {
            kind = "D ";
          } else if (c.type) {
            kind = "T ";
          } else if (c.content) {
            kind = "M ";
          } else if (!c.mode && !c.owner && !c.xattrs) {
            return ok();
          }
          out.push_back(kind + one.path);
          return ok();
        });
    EXPECT_TRUE(done) << done.error().message;
    return out;
  }
  size_t files_in(const std::string& kind) {
    size_t out = 0;
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(storage_->export_path() + "/" + kind)) {
      out += file.is_regular_file() ? 1 : 0;
    }
    return out;
  }
  Collected collect(CollectRequest request = {}) {
    request.rest = false;
    const Result<Collected> out = storage_->collect(request);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : Collected{};
  }
  CollectRequest keep_only_newest() {
    CollectRequest out;
    out.retention = {seconds(0), 0};
    return out;
  }
};

using Lines = std::vector<std::string>;

TEST_P(LifecycleTest, SnapshotsHaveNumbersThatOutliveTheProcess) {
  create("v");
  write_text(live("f"), "one");
  const Snapshot one = snapshot();
  EXPECT_EQ(one.number, 1U);
  EXPECT_EQ(snapshot().number, 1U) << "the same state is the same snapshot";
  write_text(live("f"), "two!");
  EXPECT_EQ(snapshot().number, 2U);
  reopen();
  EXPECT_EQ(snapshot().number, 2U);
  write_text(live("f"), "three");
  EXPECT_EQ(snapshot().number, 3U);
  const auto all = storage_->snapshots("v");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ((*all)[1].bytes, 4);
  EXPECT_EQ((*all)[1].changed_bytes, 4);
  const auto found = storage_->find_snapshot({"v", one.tree.hex().substr(0, 12)});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->number, 1U);
  EXPECT_EQ(storage_->find_snapshot({"v", "2"})->number, 2U);
  for (const char* const wrong : {"4", "0", "zz", "-1", "abc", ""}) {
    EXPECT_FALSE(storage_->find_snapshot({"v", wrong})) << wrong;
  }
}

TEST_P(LifecycleTest, KeptSnapshotsHaveMessagesAndStay) {
  create("v");
  EXPECT_EQ(keep("before the upgrade").number, 1U);
  EXPECT_EQ(keep("another name of it").number, 2U);
  write_text(live("f"), "x");
  snapshot();
  reopen();
  const auto all = storage_->snapshots("v");
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ((*all)[0].message, "before the upgrade");
  EXPECT_TRUE((*all)[1].pinned);
  EXPECT_FALSE((*all)[2].pinned);
  EXPECT_EQ(storage_->remove_snapshot({"v", "3"}).error().code, Code::kConflict);
  EXPECT_TRUE(storage_->remove_snapshot({"v", "1"}));
  EXPECT_EQ(storage_->find_snapshot({"v", "1"}).error().code, Code::kNotFound);
}

TEST_P(LifecycleTest, ADamagedVolumeIsShownAndTheOthersWork) {
  create("v");
  create("w");
  write_text(live("f"), "x");
  snapshot();
  storage_.reset();
  write_text(store() + "/volumes/v/snapshots/log", "{\"number\": 1, \"tree\": \"nonsense\"}\n");
  reopen();
  const auto all = storage_->volumes();
  ASSERT_EQ(all->size(), 2U);
  EXPECT_NE((*all)[0].damage.find("line 1 of"), std::string::npos) << (*all)[0].damage;
  EXPECT_EQ((*all)[1].damage, "");
  EXPECT_EQ(storage_->take_snapshot("v").error().code, Code::kCorrupt);
  EXPECT_TRUE(storage_->take_snapshot("w"));
  EXPECT_EQ(storage_->create_volume("v", "a", Empty{}, {}).error().code, Code::kExists);
  EXPECT_FALSE(storage_->collect({})) << "half a list must not decide what goes";
}

TEST_P(LifecycleTest, ACutOffLineWasNotAcknowledged) {
  create("v");
  snapshot();
  storage_.reset();
  shell("printf '{\"number\": 2, \"tr' >> " + store() + "/volumes/v/snapshots/log");
  reopen();
  EXPECT_EQ(storage_->snapshots("v")->size(), 1U);
  write_text(live("f"), "x");
  EXPECT_EQ(snapshot().number, 2U);
  reopen();
  EXPECT_EQ(storage_->snapshots("v")->size(), 2U);
}

TEST_P(LifecycleTest, DifferencesAreTold) {
  create("v");
  in_live(
      "mkdir -p keep/deep gone/below type && echo 1 > keep/deep/same && echo 1 > changed && "
      "echo 1 > gone/below/f && echo 1 > type/f && echo 1 > mode && ln -s a link && echo 1 > "
      "touched");
  snapshot();
  in_live(
      "echo 2 > changed && rm -r gone type && echo file > type && chmod 700 mode && "
      "ln -sfn b link && mkdir new && echo 1 > new/f && touch -d @1 touched");
  const Lines wanted{"M changed", "D gone", "D gone/below", "D gone/below/f", "M link",
                     "a mode",    "A new",  "A new/f",      "T type",         "D type/f"};
  EXPECT_EQ(diff({"v", "1"}, {"v", ""}), wanted);
  EXPECT_EQ(diff({"v", "1"}, {"v", "2"}), wanted);
  EXPECT_EQ(diff({"v", "2"}, {"v", "2"}), Lines{});
  reopen();
  EXPECT_EQ(diff({"v", "1"}, {"v", "2"}), wanted) << "from packs alone";
}

TEST_P(LifecycleTest, RestoringBringsEverythingBack) {
  create("v");
  in_live(
      "mkdir -p a/b empty && head -c 3000000 /dev/urandom > a/large && ln a/large a/b/hard && "
      "echo x > a/b/small && chmod 4751 a/b/small && chown 1000:1001 a/b/small && "
      "chmod 4751 a/b/small && ln -s ../nowhere a/link && mkfifo pipe && mknod null c 1 3 && "
      "touch -h -d @1000000000.5 a/link a/b a && "
      "truncate -s 5000000 sparse");
  ASSERT_EQ(::setxattr(live("a/b/small").c_str(), "user.note", "hi", 2, 0), 0);
  const Snapshot good = snapshot();
  in_live(
      "rm -r a/b pipe && mkdir pipe && echo y > pipe/z && echo changed > a/large && rm a/link && "
      "mkdir a/link && chmod 777 empty && echo new > new && mv sparse moved");
  Work work;
  const Result<Restored> done = storage_->restore({"v", "1"}, {}, work);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->before.number, 2U);
  EXPECT_TRUE(done->before.pinned);
  const Snapshot now = snapshot();
  // Every attribute, times too.
  const auto all_of = [&](const Snapshot& s) {
    std::map<std::string, tree::Entry> out = view_tree(storage_->export_path(), s.tree).entries;
    for (auto& [path, entry] : out) {
      entry.inode = 0;
      entry.ctime_ns = 0;
      entry.directory = {};
    }
    return out;
  };
  EXPECT_EQ(all_of(now), all_of(good));
  struct stat one {
  }, two{};
  ASSERT_EQ(::lstat(live("a/large").c_str(), &one), 0);
  ASSERT_EQ(::lstat(live("a/b/hard").c_str(), &two), 0);
  EXPECT_EQ(one.st_ino, two.st_ino);
  EXPECT_TRUE(storage_->restore({"v", "2"}, {}, work));
  EXPECT_EQ(diff({"v", "2"}, {"v", ""}), Lines{}) << "and back again";
}

TEST_P(LifecycleTest, RestoringPathsLeavesTheRest) {
  create("v");
  in_live("mkdir -p a/b c && echo 1 > a/b/f && echo 1 > a/b/g && echo 1 > c/f");
  snapshot();
  in_live("rm -r a && echo 2 > c/f");
  Work work;
  ASSERT_TRUE(storage_->restore({"v", "1"}, {"a/b/f"}, work));
  EXPECT_EQ(read_text(live("a/b/f")), "1\n");
  EXPECT_FALSE(std::filesystem::exists(live("a/b/g")));
  EXPECT_EQ(read_text(live("c/f")), "2\n");
  const Result<Restored> none = storage_->restore({"v", "1"}, {"nothing"}, work);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("there is no /nothing"), std::string::npos);
}

// A user swaps a folder for a link that leads out, again and again, while root restores below it.
TEST_P(LifecycleTest, RestoringNeverLeavesTheVolume) {
  create("v");
  const std::string outside = mount_point() + "/outside-" + std::to_string(::getpid());
  shell("rm -rf " + outside + " && mkdir -p " + outside + " && echo precious > " + outside + "/f");
  in_live("mkdir -p d e && for i in $(seq 50); do echo 1 > d/f$i; done && echo 1 > d/f");
  snapshot();
  in_live("rm -r d && ln -s " + outside + " d");
  Work work;
  ASSERT_TRUE(storage_->restore({"v", "1"}, {}, work)) << "the link itself is replaced";
  EXPECT_EQ(read_text(live("d/f")), "1\n");
  std::atomic<bool> done = false;
  std::thread racer([&] {
    const std::string base = storage_->live_path("v");
    while (!done) {
      ::rename((base + "/d").c_str(), (base + "/aside").c_str());
      (void)!::symlink(outside.c_str(), (base + "/d").c_str());
      ::unlink((base + "/d").c_str());
      ::rename((base + "/aside").c_str(), (base + "/d").c_str());
    }
  });
  for (int i = 0; i < 10; ++i) {
    shell("for i in $(seq 50); do echo 2 > " + live("e/f") + "$i; done");
    (void)storage_->restore({"v", "1"}, {"d"}, work);
  }
  done = true;
  racer.join();
  EXPECT_EQ(read_text(outside + "/f"), "precious\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside), {}), 1);
  shell("rm -r " + outside);
}

TEST_P(LifecycleTest, CopiesOfVolumesAreTheirOwn) {
  create("v");
  in_live("mkdir a && head -c 2000000 /dev/urandom > a/large && echo one > f");
  snapshot();
  in_live("echo two > f");
  create("old", FromVolume{{"v", "1"}});
  create("fork", FromVolume{{"v", ""}});
  EXPECT_EQ(read_text(live("f", "old")), "one\n");
  EXPECT_EQ(read_text(live("f", "fork")), "two\n");
  EXPECT_EQ(diff({"v", "1"}, {"old", ""}), Lines{});
  EXPECT_EQ(diff({"v", ""}, {"fork", ""}), Lines{});
  write_text(live("f", "fork"), "three");
  EXPECT_EQ(diff({"v", ""}, {"fork", ""}), Lines{"M f"});
  write_text(live("a/new"), "in v alone");
  EXPECT_EQ(diff({"v", ""}, {"fork", ""}), (Lines{"D a/new", "M f"}));
  reopen();
  EXPECT_EQ(diff({"v", ""}, {"fork", ""}), (Lines{"D a/new", "M f"}));
  EXPECT_EQ(storage_->create_volume("x", "a", FromVolume{{"v", "9"}}, {}).error().code,
            Code::kNotFound);
  EXPECT_EQ(storage_->volumes()->size(), 3U);
}

TEST_P(LifecycleTest, ArchivesAreUnpackedAndAdded) {
  const std::string tar = mount_point() + "/lifecycle.tar";
  const std::string gz = tar + ".gz";
  shell(
      "d=$(mktemp -d) && cd $d && mkdir -p bin lib && echo tool > bin/tool && chmod 755 bin/tool "
      "&& ln bin/tool lib/tool && ln -s ../bin/tool lib/link && ln -s /etc out && "
      "tar -cf " +
      tar + " . && gzip -k -f " + tar + " && rm -r $d");
  const UniqueFd plain = *open_file(tar, O_RDONLY);
  create("v", FromArchive{plain.get()});
  EXPECT_EQ(read_text(live("lib/link")), "tool\n");
  const UniqueFd packed = *open_file(gz, O_RDONLY);
  in_live("mkdir -p opt/tools && echo mine > opt/tools/mine && ln -s / opt/tools/bin");
  Work work;
  const Status added = storage_->import_archive(
      "v", "opt/tools", {packed.get()}, [] { return ok(); }, work);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(read_text(live("opt/tools/bin/tool")), "tool\n") << "the link in the way is replaced";
  EXPECT_EQ(read_text(live("opt/tools/mine")), "mine\n");
  EXPECT_EQ(std::filesystem::hard_link_count(live("opt/tools/lib/tool")), 2U);
  const UniqueFd broken = *open_file("/bin/sh", O_RDONLY);
  EXPECT_FALSE(storage_->create_volume("x", "a", FromArchive{broken.get()}, {}));
  EXPECT_FALSE(storage_->import_archive(
      "v", "", {broken.get()}, [] { return ok(); }, work));
  EXPECT_EQ(storage_->volumes()->size(), 1U);
  shell("rm " + tar + " " + gz);
}

TEST_P(LifecycleTest, StoppedWorkLeavesNothing) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const UniqueFd read(fds[0]);
  const UniqueFd write(fds[1]);
  Work work;
  std::thread stopper([&] {
    (void)!::write(write.get(), "begin of no archive at all", 26);
    work.stop();
  });
  const Status made = storage_->create_volume({"v", "a", FromArchive{read.get()}, 0}, work);
  stopper.join();
  ASSERT_FALSE(made);
  EXPECT_TRUE(std::filesystem::is_empty(store() + "/volumes/.removed"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(store() + "/volumes"), {}), 1);
  create("v");
}

TEST_P(LifecycleTest, QuotaStopsSnapshotsAndNothingElse) {
  create("v");
  ASSERT_TRUE(storage_->set_quota("v", 1'000'000));
  write_text(live("f"), std::string(900'000, 'x'));
  snapshot();
  write_text(live("g"), std::string(900'000, 'y'));
  const Result<Snapshot> refused = storage_->take_snapshot("v");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  reopen();
  EXPECT_EQ(storage_->volume("v")->quota_bytes, 1'000'000);
  EXPECT_FALSE(storage_->take_snapshot("v"));
  in_live("rm g");
  snapshot();
  ASSERT_TRUE(storage_->set_quota("v", 0));
  write_text(live("g"), std::string(900'000, 'y'));
  snapshot();
}

TEST_P(LifecycleTest, RemovedVolumesComeBack) {
  create("v");
  write_text(live("f"), "x");
  const Snapshot one = snapshot();
  ASSERT_TRUE(storage_->remove_volume("v", [] { return ok(); }));
  const auto removed = storage_->removed_volumes();
  ASSERT_EQ(removed->size(), 1U);
  EXPECT_EQ((*removed)[0].owner, "alice");
  collect(keep_only_newest());
  collect(keep_only_newest());
  ASSERT_TRUE(storage_->return_volume("v"));
  EXPECT_EQ(snapshot().tree, one.tree);
  EXPECT_EQ(storage_->return_volume("v").error().code, Code::kNotFound);
}

TEST_P(LifecycleTest, WhatNothingRefersToGoesAtTheSecondRun) {
  create("v");
  write_text(live("old"), std::string(100'000, 'o'));
  const Snapshot old = snapshot();
  write_text(live("kept"), std::string(100'000, 'k'));
  in_live("rm old");
  keep("stays");
  in_live("rm kept");
  write_text(live("newest"), std::string(100'000, 'n'));
  const Snapshot newest = snapshot();
  EXPECT_EQ(files_in("content"), 3U);
  JobTrees jobs{old.tree};
  CollectRequest with_job = keep_only_newest();
  with_job.job_trees = [&]() -> Result<JobTrees> { return jobs; };
  collect(with_job);
  collect(with_job);
  EXPECT_EQ(storage_->snapshots("v")->size(), 3U) << "a job refers to the oldest";
  EXPECT_EQ(files_in("content"), 3U);
  EXPECT_EQ(collect(keep_only_newest()).snapshots, 1U);
  EXPECT_EQ(files_in("content"), 3U) << "not at once";
  const Collected second = collect(keep_only_newest());
  EXPECT_EQ(second.bodies, 1U);
  EXPECT_EQ(second.manifests, 1U);
  EXPECT_EQ(files_in("content"), 2U);
  EXPECT_TRUE(view_tree(storage_->export_path(), newest.tree).has("newest"));
  const TreeView kept =
      view_tree(storage_->export_path(), storage_->find_snapshot({"v", "2"})->tree);
  EXPECT_EQ(content_of(storage_->export_path(), kept.entries.at("kept")),
            std::string(100'000, 'k'));
  // What went and comes again is there again.
  write_text(live("old"), std::string(100'000, 'o'));
  const TreeView again = view_tree(storage_->export_path(), snapshot().tree);
  EXPECT_EQ(content_of(storage_->export_path(), again.entries.at("old")),
            std::string(100'000, 'o'));
}

// Snapshots that make, drop and make again the same few files, while the collector runs all the
// time: every tree that was acknowledged last is whole.
TEST_P(LifecycleTest, CollectingBesideSnapshotsLosesNothing) {
  create("v");
  std::atomic<bool> done = false;
  std::thread collector([&] {
    while (!done) collect(keep_only_newest());
  });
  std::mt19937 random(7);
  for (int i = 0; i < 60; ++i) {
    const auto which = static_cast<char>('a' + random() % 4);
    const std::string path = live(std::string(1, which));
    if (std::filesystem::exists(path)) {
      std::filesystem::remove(path);
    } else {
      write_text(path, std::string(1'500'000, which));
    }
    const TreeView tree = view_tree(storage_->export_path(), snapshot().tree);
    for (const auto& [name, entry] : tree.entries) {
      EXPECT_EQ(content_of(storage_->export_path(), entry), std::string(1'500'000, name[0]));
    }
  }
  done = true;
  collector.join();
}

TEST_P(LifecycleTest, UsageCountsBodiesOnce) {
  create("v");
  write_text(live("f"), std::string(100'000, 'x'));
  in_live("cp f g");
  snapshot();
  write_text(live("h"), std::string(50'000, 'h'));
  snapshot();
  create("w", FromVolume{{"v", "1"}});
  snapshot("w");
  const Result<StoreUsage> usage = storage_->usage();
  ASSERT_TRUE(usage) << usage.error().message;
  EXPECT_EQ(usage->volumes[0].live_bytes, 250'000);
  EXPECT_EQ(usage->volumes[0].own_bytes, 50'000);
  EXPECT_EQ(usage->volumes[0].shared_bytes, 100'000);
  EXPECT_EQ(usage->volumes[1].own_bytes, 0);
}

TEST_P(LifecycleTest, ADamagedBodyIsNamedAndNeverServed) {
  create("v");
  write_text(live("f"), std::string(2'500'000, 'x'));
  snapshot();
  in_live("rm f");
  snapshot();
  shell(
      "for f in " + storage_->export_path() +
      "/content/[0-9a-f]*/*; do case $f in *.chunks) ;; *) "
      "chmod u+w $f; printf y | dd of=$f bs=1 seek=2000000 conv=notrunc status=none;; esac; done");
  Work work;
  const Result<Restored> restored = storage_->restore({"v", "1"}, {"f"}, work);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Code::kCorrupt);
  EXPECT_NE(restored.error().message.find("/f: content/"), std::string::npos)
      << restored.error().message;
  EXPECT_FALSE(std::filesystem::exists(live("f")));
  const Status read =
      storage_->read_file({"v", "1"}, "f", 10'000'000, [](std::string_view) { return ok(); });
  EXPECT_EQ(read.error().code, Code::kCorrupt);
}

INSTANTIATE_TEST_SUITE_P(On, LifecycleTest, kEveryFileSystem, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
