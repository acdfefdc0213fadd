// Volumes and snapshots through the public interface: the one suite that every driver must pass, on
// real btrfs, XFS and ext4.
#include "controller/storage/storage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/volume_source.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

using tree::EntryType;

class StorageTest : public StoreTest {
 protected:
  TreeView view(const Snapshot& snapshot) {
    return view_tree(storage_->export_path(), snapshot.tree);
  }
  std::string text_in(const Snapshot& snapshot, const std::string& path) {
    const TreeView tree = view(snapshot);
    EXPECT_TRUE(tree.has(path)) << path;
    return tree.has(path) ? content_of(storage_->export_path(), tree.entries.at(path)) : "";
  }
};

TEST_P(StorageTest, EmptyVolumeHasATree) {
  create("v");
  const Snapshot first = snapshot();
  EXPECT_FALSE(first.tree.is_zero());
  EXPECT_EQ(first.files, 0U);
  EXPECT_TRUE(view(first).entries.empty());
  const Result<VolumeInfo> info = storage_->volume("v");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->owner, "alice");
  EXPECT_EQ(info->newest.tree, first.tree);
  EXPECT_EQ(info->driver, GetParam() == FileSystem::kBtrfs ? "btrfs" : "scan");
}

TEST_P(StorageTest, EveryKindOfEntryOfAFolderArrives) {
  const std::string source = mount_point() + "/source";
  shell("mkdir -p '" + source + "/a/b' && cd '" + source +
        "' && echo small > small && : > empty && " +
        "head -c 3000000 /dev/urandom > large && ln large a/hard && ln -s ../small a/link && " +
        "mkfifo pipe && mknod null c 1 3 && mknod disk b 7 1 && chmod 4755 small && " +
        "chown 1000:1001 a && python3 -c 'import socket; "
        "socket.socket(socket.AF_UNIX).bind(\"sock\")'");
  ASSERT_EQ(::setxattr((source + "/small").c_str(), "user.note", "hi", 2, 0), 0);
  create("v", FromFolder{source});
  const Snapshot taken = snapshot();
  const TreeView tree = view(taken);
  EXPECT_EQ(tree.entries.at("small").mode, 04755U);
  EXPECT_EQ(tree.entries.at("small").xattrs, (std::vector<tree::Xattr>{{"user.note", "hi"}}));
  EXPECT_TRUE(tree.manifest.has_xattrs);
  EXPECT_EQ(content_of(storage_->export_path(), tree.entries.at("small")), "small\n");
  EXPECT_EQ(tree.entries.at("empty").size, 0U);
  EXPECT_EQ(tree.entries.at("large").links, 2U);
  EXPECT_EQ(tree.entries.at("large").inode, tree.entries.at("a/hard").inode);
  EXPECT_EQ(tree.entries.at("large").body, tree.entries.at("a/hard").body);
  EXPECT_EQ(content_of(storage_->export_path(), tree.entries.at("large")),
            read_text(source + "/large"));
  EXPECT_EQ(tree.entries.at("a/link").link_target, "../small");
  EXPECT_EQ(tree.entries.at("a").uid, 1000U);
  EXPECT_EQ(tree.entries.at("pipe").type, EntryType::kFifo);
  EXPECT_EQ(tree.entries.at("null").type, EntryType::kCharacterDevice);
  EXPECT_EQ(tree.entries.at("null").device, makedev(1, 3));
  EXPECT_EQ(tree.entries.at("disk").type, EntryType::kBlockDevice);
  EXPECT_EQ(tree.entries.at("sock").type, EntryType::kSocket);
  EXPECT_EQ(taken.files, 9U);
  EXPECT_EQ(taken.bytes, 6 + 2 * 3000000);
}

TEST_P(StorageTest, SnapshotIsTheStateAtTheCall) {
  create("v");
  write_text(live("f"), "one");
  const Snapshot one = snapshot();
  write_text(live("f"), "two");
  const Snapshot two = snapshot();
  write_text(live("f"), std::string(5000, 'x'));
  const Snapshot three = snapshot();
  EXPECT_EQ(text_in(one, "f"), "one");
  EXPECT_EQ(text_in(two, "f"), "two");
  EXPECT_EQ(text_in(three, "f"), std::string(5000, 'x'));
  EXPECT_EQ(view(three).manifest.parent, two.tree);
}

// A rewrite of the same size within the clock's grain, its times set back: only the margin tells.
TEST_P(StorageTest, SameSizeRewriteAtOnceIsSeen) {
  create("v");
  for (int i = 0; i < 30; ++i) {
    const std::string text = std::string(2000, static_cast<char>('a' + i % 26));
    write_text(live("f"), text);
    EXPECT_EQ(text_in(snapshot(), "f"), text);
  }
}

TEST_P(StorageTest, UnchangedVolumeKeepsItsTree) {
  create("v");
  write_text(live("f"), "one");
  const Snapshot one = snapshot();
  const TreeView before = view(one);
  EXPECT_EQ(snapshot().tree, one.tree);
  reopen();
  EXPECT_EQ(storage_->volume("v")->newest.tree, one.tree);
  EXPECT_EQ(snapshot().tree, one.tree);
  EXPECT_EQ(view(one).manifest.packs, before.manifest.packs);
}

TEST_P(StorageTest, ChainOfPacksIsBoundedAndAnUndoneEditFindsItsTree) {
  create("v");
  shell("mkdir -p " + live("a/b") + " " + live("c"));
  const Snapshot first = snapshot();
  for (int i = 0; i < 40; ++i) {
    write_text(live("a/b/f"), std::to_string(i));
    const Snapshot taken = snapshot();
    EXPECT_LE(view(taken).manifest.packs.size(), 16U);
    EXPECT_EQ(text_in(taken, "a/b/f"), std::to_string(i));
  }
  EXPECT_TRUE(view(first).has("a/b"));
}

TEST_P(StorageTest, SnapshotsThatWaitShareTheNextOne) {
  create("v");
  shell("mkdir " + live("many") + " && cd " + live("many") +
        " && for i in $(seq 300); do head -c 20000 /dev/urandom > $i; done");
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      const std::string name = "f" + std::to_string(i);
      for (int round = 0; round < 10; ++round) {
        write_text(live(name), std::to_string(round));
        const Result<Snapshot> taken = storage_->take_snapshot("v");
        // What was written before the call is in it.
        if (!taken || text_in(*taken, name) != std::to_string(round)) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(StorageTest, ContentIsSharedAndNotTheLiveFile) {
  create("v");
  write_text(live("f"), std::string(100000, 'a'));
  shell("cp " + live("f") + " " + live("g"));
  const Snapshot one = snapshot();
  const TreeView tree = view(one);
  EXPECT_EQ(tree.entries.at("f").body, tree.entries.at("g").body);
  EXPECT_NE(tree.entries.at("f").inode, tree.entries.at("g").inode);
  const std::string content =
      storage_->export_path() + "/" + tree::body_path(tree.entries.at("f").body);
  struct stat st {};
  ASSERT_EQ(::stat(content.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0444U);
  shell("truncate -s 0 " + live("f") + " " + live("g"));
  EXPECT_EQ(text_in(one, "f"), std::string(100000, 'a'));
}

TEST_P(StorageTest, FilesThatCannotBeClonedAreCopied) {
  if (GetParam() != FileSystem::kBtrfs) return;  // there is no such attribute
  create("v");
  shell(": > " + live("f") + " && chattr +C " + live("f") + " && head -c 2500000 /dev/urandom >> " +
        live("f"));
  const Snapshot one = snapshot();
  EXPECT_TRUE(text_in(one, "f") == read_text(live("f")));
}

TEST_P(StorageTest, NestedSubvolumes) {
  if (GetParam() != FileSystem::kBtrfs) return;  // there are none
  create("v");
  shell("btrfs subvolume create " + live("empty") + " && mkdir " + live("d") +
        " && btrfs subvolume create " + live("d/full"));
  const Snapshot one = snapshot();
  EXPECT_EQ(view(one).entries.at("empty").type, EntryType::kMountPoint);
  EXPECT_EQ(view(one).entries.at("d/full").type, EntryType::kMountPoint);
  // Filled after a snapshot: the folder that holds it is unchanged, and must not be taken over
  // silently.
  write_text(live("d/full/f"), "x");
  const Result<Snapshot> refused = storage_->take_snapshot("v");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_NE(refused.error().message.find("/d/full is a btrfs subvolume"), std::string::npos)
      << refused.error().message;
  shell("btrfs subvolume delete " + live("d/full"));
  EXPECT_FALSE(view(snapshot()).has("d/full"));
  EXPECT_EQ(storage_->volume("v")->newest.tree, snapshot().tree);
}

TEST_P(StorageTest, NamesAndMissingVolumes) {
  EXPECT_EQ(storage_->create_volume("Bad", "a", Empty{}, {}).error().code, Code::kInvalid);
  EXPECT_EQ(storage_->create_volume("../x", "a", Empty{}, {}).error().code, Code::kInvalid);
  EXPECT_EQ(storage_->create_volume("", "a", Empty{}, {}).error().code, Code::kInvalid);
  EXPECT_EQ(storage_->create_volume(std::string(64, 'a'), "a", Empty{}, {}).error().code,
            Code::kInvalid);
  create("volume1");
  EXPECT_EQ(storage_->create_volume("volume1", "a", Empty{}, {}).error().code, Code::kExists);
  const Result<Snapshot> missing = storage_->take_snapshot("volume2");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().message, "no volume 'volume2': did you mean 'volume1'?");
}

TEST_P(StorageTest, FailedCreationLeavesNothing) {
  const Status missing = storage_->create_volume("v", "a", FromFolder{"/no/such"}, {});
  EXPECT_EQ(missing.error().code, Code::kNotFound) << missing.error().message;
  EXPECT_EQ(storage_->create_volume("v", "a", FromFolder{"/etc/hosts"}, {}).error().code,
            Code::kInvalid);
  EXPECT_EQ(storage_->create_volume("v", "a", FromDebootstrap{"a b", {}}, {}).error().code,
            Code::kInvalid);
  EXPECT_EQ(
      storage_->create_volume("v", "a", FromDebootstrap{"bookworm", {"--x"}}, {}).error().code,
      Code::kInvalid);
  EXPECT_TRUE(storage_->volumes()->empty());
  size_t left = 0;
  for (const auto& file : std::filesystem::directory_iterator(store() + "/volumes")) {
    left += file.path().filename() != ".removed";
  }
  EXPECT_EQ(left, 0U);
  create("v");
}

TEST_P(StorageTest, RemovedVolumesAreKeptAsideAndPurgedLater) {
  create("v");
  write_text(live("f"), "x");
  snapshot();
  const Result<Time> until = storage_->remove_volume("v", [] { return ok(); });
  ASSERT_TRUE(until) << until.error().message;
  EXPECT_EQ(storage_->take_snapshot("v").error().code, Code::kNotFound);
  create("v");
  EXPECT_FALSE(std::filesystem::exists(live("f")));
  reopen();
  const std::string removed = store() + "/volumes/.removed";
  const auto first = [&] { return std::filesystem::directory_iterator(removed); };
  ASSERT_NE(first(), std::filesystem::directory_iterator());
  EXPECT_EQ(read_text(first()->path().string() + "/live/f"), "x");
  // As if it had been removed long ago.
  std::filesystem::rename(first()->path(), removed + "/v.1000");
  ASSERT_TRUE(storage_->collect({}));
  EXPECT_EQ(first(), std::filesystem::directory_iterator());
}

INSTANTIATE_TEST_SUITE_P(On, StorageTest, kEveryFileSystem, name_of_parameter);

TEST(StorageOpenTest, FileSystemsInMemoryAreRefused) {
  const Result<std::unique_ptr<Storage>> opened = Storage::open("/dev/shm/devrun-storage-test");
  std::filesystem::remove("/dev/shm/devrun-storage-test");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kUnsupported);
  EXPECT_NE(opened.error().message.find("is in memory"), std::string::npos);
}

TEST(StorageOpenTest, FileSystemsThatCannotExchangeNamesAreRefused) {
  // As NFS: the kernel's own has no files without a name.
  const Result<std::unique_ptr<Driver>> driver = Driver::of("/proc");
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.error().code, Code::kUnsupported);
  EXPECT_EQ(driver.error().message,
            "/proc can be no store: its file system has no files without a name, without which a "
            "volume could be written over while somebody edits it");
}

TEST(TellsAStep, FewLinesOfDebootstrap) {
  for (const char* line :
       {"I: Resolving dependencies of required packages...", "I: Unpacking the base system...",
        "I: Installing core packages...", "I: Base system installed successfully.",
        "W: Failure trying to run: chroot", "E: Couldn't download packages: libc6"}) {
    EXPECT_TRUE(tells_a_step(line)) << line;
  }
  for (const char* line :
       {"I: Retrieving libc6 2.36-9", "I: Validating libc6 2.36-9", "I: Extracting libc6...",
        "I: Unpacking libc6:amd64...", "I: Configuring libc6:amd64...", ""}) {
    EXPECT_FALSE(tells_a_step(line)) << line;
  }
}

}  // namespace
}  // namespace devrun::storage
