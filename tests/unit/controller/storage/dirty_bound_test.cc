// A store that is a file system of its own never holds so much dirty data that snapshots wait long.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/runtime/file.h"
#include "controller/storage/btrfs.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"

namespace devrun::storage {
namespace {

TEST_F(BtrfsTest, DirtyDataIsBounded) {
  const UniqueFd fd = *open_file(mount_point(), O_RDONLY | O_DIRECTORY);
  const Result<bool> bounded = btrfs::bound_dirty_data(fd.get(), 123 << 20);
  ASSERT_TRUE(bounded) << bounded.error().message;
  if (!*bounded) GTEST_SKIP() << "NOT TESTED: this kernel does not let us bound dirty data";
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/fs/btrfs")) {
    const std::string bdi = entry.path().string() + "/bdi";
    if (!std::filesystem::exists(bdi + "/max_bytes")) continue;
    // The kernel keeps it as a share of memory, rounded.
    const uint64_t bytes = std::stoull(read_text(bdi + "/max_bytes"));
    const bool near = bytes > (110 << 20) && bytes < (136 << 20);
    found = found || (near && read_text(bdi + "/strict_limit") == "1\n");
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace devrun::storage
