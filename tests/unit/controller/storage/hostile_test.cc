// What users and full disks do to a store: attributes without end, a log that could be written only
// in part, a quota that is lowered, names that are taken, damaged volumes that come back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "common/runtime/file.h"
#include "controller/storage/catalog.h"
#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/driver_fixture.h"

namespace devrun::storage {
namespace {

using HostileTest = StoreTest;
INSTANTIATE_TEST_SUITE_P(On, HostileTest, kEveryFileSystem, name_of_parameter);

class HostileBtrfsTest : public StoreTest {
 protected:
  // Takes a snapshot in a process that is killed at `point`.
  void snapshot_and_die(const std::string& point) {
    storage_.reset();
    const pid_t pid = ::fork();
    if (pid == 0) {
      auto opened = Storage::open(store(), [&](std::string_view reached) {
        if (reached == point) ::kill(::getpid(), SIGKILL);
      });
      if (opened && (*opened)->take_snapshot("v")) (void)(*opened)->snapshots("v");
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << point << " was never reached";
  }
};
INSTANTIATE_TEST_SUITE_P(On, HostileBtrfsTest, ::testing::Values(FileSystem::kBtrfs),
                         name_of_parameter);

void set_xattrs(const std::string& path, int from, int to, const std::string& value) {
  for (int i = from; i < to; ++i) {
    const std::string name = "user.a.long.name." + std::to_string(i);
    if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) continue;
    ASSERT_EQ(errno, ENOSPC) << i;  // ext4 has room for a block of them
    return;
  }
}

TEST_P(HostileTest, ManyAttributesSurvive) {
  create("v");
  write_text(live("f"), "x");
  set_xattrs(live("f"), 0, 2000, "v");
  const ssize_t names = ::listxattr(live("f").c_str(), nullptr, 0);
  const uint64_t number = snapshot().number;
  ASSERT_EQ(::removexattr(live("f").c_str(), "user.a.long.name.7"), 0);
  Work work;
  const auto restored = storage_->restore({"v", std::to_string(number)}, {}, work);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(::listxattr(live("f").c_str(), nullptr, 0), names);
}

TEST_P(HostileBtrfsTest, MoreAttributesThanCanBeListedAreRefusedByName) {
  create("v");
  write_text(live("f"), "x");
  set_xattrs(live("f"), 0, 4000, "v");
  const Result<Snapshot> refused = storage_->take_snapshot("v");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_NE(refused.error().message.find("/f"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(refused.error().hint.empty());
  std::filesystem::remove(live("f"));
  snapshot();
}

TEST_P(HostileBtrfsTest, AttributesOfTheRootThatNoManifestHoldsAreRefused) {
  create("v");
  set_xattrs(storage_->live_path("v"), 0, 1200, std::string(3500, 'v'));
  const Result<Snapshot> refused = storage_->take_snapshot("v");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  reopen();
  EXPECT_EQ(storage_->volume("v")->damage, "");
}

// An attribute of 8,000 bytes has no room in a block of ext4's, nor in a small node of btrfs.
TEST_P(HostileTest, AnArchiveOrFolderComesWithAllAttributesOrNotAtAll) {
  create("v");
  const std::string from = mount_point() + "/from.8000";
  shell("mkdir -p " + from);
  const bool fits = GetParam() != FileSystem::kExt4;
  char outside[] = "/dev/shm/devrun-hostile.XXXXXX";
  ASSERT_NE(::mkdtemp(outside), nullptr);
  const std::string file = std::string(outside) + "/f";
  write_text(file, "x");
  const std::string value(8000, 'v');
  if (::setxattr(file.c_str(), "user.big", value.data(), value.size(), 0) != 0) {
    std::filesystem::remove_all(outside);
    GTEST_SKIP() << "NOT TESTED, /dev/shm has no attributes of that size";
  }
  shell("tar --xattrs -C " + std::string(outside) + " -cf " + from + "/tar .");
  Work work;
  const UniqueFd tar = *open_file(from + "/tar", O_RDONLY);
  const Status imported = storage_->import_archive(
      "v", "d", {tar.get()}, [] { return ok(); }, work);
  EXPECT_EQ(imported.has_value(), fits);
  const Status copied = storage_->create_volume({"w", "alice", FromFolder{outside}, 0}, work);
  EXPECT_EQ(copied.has_value(), fits);
  if (!fits) {
    EXPECT_NE(imported.error().message.find("user.big"), std::string::npos)
        << imported.error().message;
    EXPECT_FALSE(imported.error().hint.empty());
    EXPECT_FALSE(std::filesystem::exists(live("d")));
  }
  std::filesystem::remove_all(outside);
}

// The acknowledged one stays, although it could not be taken any more.
TEST_P(HostileBtrfsTest, AQuotaThatWasLoweredBeforeACrashDamagesNothing) {
  create("v");
  write_text(live("f"), std::string(100'000, 'x'));
  snapshot_and_die("settle.synced");
  reopen();
  const VolumeInfo before = *storage_->volume("v");
  EXPECT_EQ(before.newest.files, 1U);
  write_text(live("g"), std::string(100'000, 'y'));
  snapshot_and_die("snapshot.bodies");
  // As set_quota writes it.
  const std::string record = store() + "/volumes/v/volume.json";
  shell("sed -i 's/\"quota_bytes\": 0/\"quota_bytes\": 150000/' " + record);
  reopen();
  EXPECT_EQ(storage_->volume("v")->damage, "");
  EXPECT_EQ(storage_->volume("v")->quota_bytes, 150'000);
  std::filesystem::remove(live("g"));
  snapshot();
}

TEST_P(HostileTest, ADamagedVolumeThatIsReturnedKeepsItsBodies) {
  create("v");
  write_text(live("f"), std::string(100'000, 'x'));
  snapshot();
  create("other");
  ASSERT_TRUE(storage_->remove_volume("v", [] { return ok(); }));
  shell("log=$(ls " + store() + "/volumes/.removed/v.*/snapshots/log) && cp $log $log.good && " +
        "printf 'nonsense\\n' >> $log");
  EXPECT_FALSE(storage_->return_volume("v"));
  EXPECT_NE(storage_->volumes()->back().damage, "");
  for (int i = 0; i < 2; ++i) {
    CollectRequest request;
    request.rest = false;
    EXPECT_FALSE(storage_->collect(request));
  }
  const std::string folder = store() + "/volumes/v/snapshots";
  shell("mv " + folder + "/log.good " + folder + "/log");
  reopen();
  std::string bytes;
  const Status read =
      storage_->read_file({"v", "1"}, "f", 1 << 20, [&](std::string_view piece) -> Status {
        bytes += piece;
        return ok();
      });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(bytes, std::string(100'000, 'x'));
}

TEST_P(HostileTest, NamesThatACrashLeftAreNotInTheWay) {
  create("v");
  write_text(live("f"), "one");
  const uint64_t number = snapshot().number;
  write_text(live("f"), "two");
  const std::string left = live(".devrun-new." + std::to_string(::getpid()) + ".1");
  write_text(left, "left by a crash");
  Work work;
  const auto restored = storage_->restore({"v", std::to_string(number)}, {"f"}, work);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(read_text(live("f")), "one");
  EXPECT_EQ(read_text(left), "left by a crash");
}

// ── the log of snapshots ──

class CatalogOnAFullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/devrun-catalog.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit_), 0);
  }
  void TearDown() override {
    limit_files(limit_.rlim_cur);
    std::filesystem::remove_all(folder_);
  }
  void limit_files(rlim_t bytes) {
    const rlimit limit{bytes, limit_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  rlim_t log_bytes() const { return std::filesystem::file_size(folder_ + "/snapshots/log"); }
  static SnapshotRecord record(uint64_t number) {
    SnapshotRecord out;
    out.number = number;
    out.tree.bytes.fill(7);
    out.generation = number;
    return out;
  }

  std::string folder_;
  rlimit limit_{};
};

TEST_F(CatalogOnAFullDisk, WhatWasNotWrittenIsWrittenLaterOnce) {
  const std::unique_ptr<Catalog> catalog = *Catalog::open(folder_);
  const SnapshotRecord one = record(1);
  const SnapshotRecord two = record(2);
  ASSERT_TRUE(catalog->add({&one, 1}));
  const rlim_t whole = log_bytes();
  for (const rlim_t room : {rlim_t{1}, rlim_t{40}, whole - 1}) {
    limit_files(whole + room);
    EXPECT_FALSE(catalog->add({&two, 1}));
    EXPECT_FALSE(catalog->pin(1, std::string(500, 'm')));
    EXPECT_EQ(catalog->count(), 1U);
    limit_files(limit_.rlim_cur);
    EXPECT_EQ((*Catalog::open_to_read(folder_))->records(), catalog->records());
  }
  ASSERT_TRUE(catalog->add({&two, 1}));
  ASSERT_TRUE(catalog->pin(1, "kept"));
  const auto again = Catalog::open(folder_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->records(), catalog->records());
  EXPECT_EQ((*again)->count(), 2U);
}

// As if the call had failed after its bytes were written: in its fsync.
TEST_F(CatalogOnAFullDisk, LinesOfAFailedCallDoNotCount) {
  const std::unique_ptr<Catalog> catalog = *Catalog::open(folder_);
  const SnapshotRecord one = record(1);
  ASSERT_TRUE(catalog->add({&one, 1}));
  const std::string log = folder_ + "/snapshots/log";
  shell("sed 's/\"number\":1/\"number\":2/' " + log + " >> " + log + ".2 && cat " + log + ".2 >> " +
        log);
  const SnapshotRecord two = record(2);
  ASSERT_TRUE(catalog->add({&two, 1}));
  const auto again = Catalog::open(folder_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->records(), catalog->records());
}

TEST_F(CatalogOnAFullDisk, FieldsOfAnotherKindEndNothing) {
  const std::unique_ptr<Catalog> catalog = *Catalog::open(folder_);
  const SnapshotRecord one = record(1);
  ASSERT_TRUE(catalog->add({&one, 1}));
  shell("printf '{\"pin\":1,\"message\":[3]}\\n' >> " + folder_ + "/snapshots/log");
  EXPECT_TRUE(Catalog::open(folder_));
}

// As a user fills it who does not look: to the last byte, whatever is spared for the controller.
void fill_up(const std::string& path) {
  const UniqueFd file = *open_file(path, O_WRONLY | O_CREAT);
  off_t at = 0;
  for (off_t step = off_t{64} << 20; step >= 4096; step /= 4) {
    while (::posix_fallocate(file.get(), at, step) == 0) at += step;
  }
  const std::string block(4096, 'x');
  for (int i = 0; i < 2000; ++i) {
    const Result<UniqueFd> small =
        open_file(path + std::to_string(i), O_WRONLY | O_CREAT | O_TRUNC);
    if (!small || !write_all(small->get(), block) || ::fsync(small->get()) != 0) return;
  }
}

TEST_P(HostileTest, AFullStoreCanStillBeToldToForget) {
  create("v");
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 4; ++i) {
    write_text(live("f"), std::string(3000, static_cast<char>('a' + i)));
    numbers.push_back(snapshot().number);
  }
  const std::filesystem::path folder = std::filesystem::path(live("f")).parent_path();
  std::filesystem::create_directory(folder / "full");
  fill_up(folder / "full/of");
  const Result<Snapshot> refused = storage_->take_snapshot("v");
  EXPECT_FALSE(refused);
  for (size_t i = 0; i + 1 < numbers.size(); ++i) {
    const auto removed = storage_->remove_snapshot({"v", std::to_string(numbers[i])});
    EXPECT_TRUE(removed) << removed.error().message;
  }
  EXPECT_EQ(storage_->snapshots("v")->size(), 1U);
  shell("rm -rf " + (folder / "full").string() + " && sync -f " + folder.string());
  EXPECT_TRUE(storage_->take_snapshot("v"));
}

// What was cloned for a snapshot that then is none would else fill the store until two collections.
TEST_P(HostileTest, ARefusedSnapshotLeavesNoClone) {
  create("v");
  ASSERT_TRUE(storage_->set_quota("v", 50 << 20));
  shell("truncate -s 70M " + live("big") + " && printf x | dd of=" + live("big") +
        " conv=notrunc bs=1 seek=71000000 status=none");
  ASSERT_FALSE(storage_->take_snapshot("v"));
  EXPECT_TRUE(std::filesystem::is_empty(storage_->export_path() + "/content/p"));
  ASSERT_TRUE(storage_->set_quota("v", 0));
  EXPECT_TRUE(storage_->take_snapshot("v"));
}

}  // namespace
}  // namespace devrun::storage
