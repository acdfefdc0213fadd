// A live file is read in place of the frozen one exactly while it is the same.
#include "controller/storage/twin_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "common/runtime/file.h"
#include "common/tree/body_copy.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/snapshot_folder.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"

namespace devrun::storage {
namespace {

using tree::hash_chunks;

class TwinFileTest : public BtrfsTest {
 protected:
  void SetUp() override {
    BtrfsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_TRUE(make_folders(store()));
    parent_ = *open_file(store(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(btrfs::create_subvolume(parent_.get(), "live"));
    live_ = *open_file(store() + "/live", O_RDONLY | O_DIRECTORY);
  }

  std::string path() const { return store() + "/live/f"; }
  void write(size_t bytes) {
    write_text(path(), std::string(bytes, 'a'));
    ASSERT_TRUE(btrfs::commit(live_.get()));
  }
  void freeze() {
    ASSERT_TRUE(btrfs::snapshot_read_only(live_.get(), parent_.get(), "frozen"));
    const UniqueFd root = *open_file(store() + "/frozen", O_RDONLY | O_DIRECTORY);
    entry_ = *read_entry(root.get(), "f", {});
    frozen_ = *open_beneath(root.get(), "f", O_RDONLY);
  }
  std::optional<TwinFile> twin() const { return TwinFile::open(live_.get(), "f", entry_); }

  UniqueFd parent_;
  UniqueFd live_;
  UniqueFd frozen_;
  tree::Entry entry_;
};

uint64_t bytes_from_disk() {
  const std::string text = *read_file("/proc/self/io");
  return std::strtoull(text.c_str() + text.find("read_bytes: ") + 12, nullptr, 10);
}

TEST_F(TwinFileTest, TheSameFileIsReadFromMemory) {
  constexpr size_t kBytes = 16 << 20;
  write(kBytes);
  freeze();
  const uint64_t before = bytes_from_disk();
  const std::optional<TwinFile> found = twin();
  ASSERT_TRUE(found);
  const auto hashes = hash_chunks(found->descriptor(), kBytes);
  ASSERT_TRUE(hashes);
  EXPECT_TRUE(found->is_still(frozen_.get()));
  EXPECT_LT(bytes_from_disk() - before, kBytes / 8);
  EXPECT_EQ(*hashes, *hash_chunks(frozen_.get(), kBytes));
}

TEST_F(TwinFileTest, ChangedBeforeItIsOpened) {
  write(100'000);
  freeze();
  shell("printf x | dd of=" + path() + " conv=notrunc bs=1 seek=5000 status=none");
  EXPECT_FALSE(twin());
}

TEST_F(TwinFileTest, ReplacedByAnotherFile) {
  write(100'000);
  freeze();
  shell("cp -p " + path() + " " + path() + ".new && mv " + path() + ".new " + path());
  EXPECT_FALSE(twin());
  shell("rm " + path() + " && mkfifo " + path());
  EXPECT_FALSE(twin());
}

TEST_F(TwinFileTest, ChangedWhileItIsRead) {
  write(100'000);
  freeze();
  const std::optional<TwinFile> found = twin();
  ASSERT_TRUE(found);
  shell("printf x | dd of=" + path() + " conv=notrunc bs=1 seek=5000 status=none");
  EXPECT_FALSE(found->is_still(frozen_.get()));
}

TEST_F(TwinFileTest, ChangedThroughAMapping) {
  write(100'000);
  const UniqueFd file = *open_file(path(), O_RDWR);
  char* const mapped = static_cast<char*>(
      ::mmap(nullptr, 100'000, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  ASSERT_NE(static_cast<void*>(mapped), MAP_FAILED);
  mapped[5000] = 'b';
  freeze();
  const std::optional<TwinFile> found = twin();
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->is_still(frozen_.get()));
  mapped[5000] = 'c';
  EXPECT_FALSE(found->is_still(frozen_.get()));
  ::munmap(mapped, 100'000);
}

// It has the stamps of the instant, and other bytes.
TEST_F(TwinFileTest, FrozenInTheMiddleOfAWrite) {
  constexpr size_t kBytes = 64 << 20;
  write(kBytes);
  const std::string content(kBytes, 'b');
  struct stat st {};
  ASSERT_EQ(::stat(path().c_str(), &st), 0);
  const timespec before = st.st_ctim;
  std::atomic<bool> written = false;
  std::thread writer([&] {
    const UniqueFd file = *open_file(path(), O_WRONLY);
    EXPECT_EQ(::pwrite(file.get(), content.data(), kBytes, 0), static_cast<ssize_t>(kBytes));
    written = true;
  });
  while (!written && st.st_ctim.tv_sec == before.tv_sec && st.st_ctim.tv_nsec == before.tv_nsec) {
    ASSERT_EQ(::stat(path().c_str(), &st), 0);
  }
  freeze();
  writer.join();
  const std::optional<TwinFile> found = twin();
  if (!found) GTEST_SKIP() << "the write was over before the snapshot";
  const auto of_live = hash_chunks(found->descriptor(), kBytes);
  const bool still = found->is_still(frozen_.get());
  EXPECT_EQ(still, *of_live == *hash_chunks(frozen_.get(), kBytes));
}

}  // namespace
}  // namespace devrun::storage
