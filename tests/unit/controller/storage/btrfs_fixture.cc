#include "tests/unit/controller/storage/btrfs_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::storage {

void BtrfsTest::SetUp() {
  if (shared_image(FileSystem::kBtrfs).image == nullptr) {
    GTEST_SKIP() << "NOT TESTED, needs root and loop devices: "
                 << shared_image(FileSystem::kBtrfs).why_not;
  }
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  store_ = fmt::format("{}/{}", mount_point(), info->name());
}

const std::string& BtrfsTest::mount_point() const {
  return shared_image(FileSystem::kBtrfs).image->mount_point();
}

void write_text(const std::string& path, const std::string& text) {
  const Result<UniqueFd> fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  ASSERT_TRUE(fd) << fd.error().message;
  ASSERT_TRUE(write_all(fd->get(), text)) << path;
}

std::string read_text(const std::string& path) {
  const Result<std::string> out = read_file(path, 1 << 30);
  EXPECT_TRUE(out) << out.error().message;
  return out ? *out : "";
}

void shell(const std::string& command) {
  const Status ran = run_checked({"sh", "-ec", command});
  ASSERT_TRUE(ran) << command << ": " << ran.error().message;
}

}  // namespace devrun::storage
