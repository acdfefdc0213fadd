#include "tests/unit/controller/storage/btrfs_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::storage {

namespace {

constexpr off_t kImageBytes = off_t{8} << 30;  // sparse

struct FileSystem {
  std::string mount_point;
  std::string why_not;
};

Status mount_image(const std::string& folder, const std::string& image) {
  if (::unshare(CLONE_NEWNS) != 0) return errno_error("unshare", errno);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return errno_error("make mounts private", errno);
  }
  {
    const UniqueFd file = TRY(open_file(image, O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (::ftruncate(file.get(), kImageBytes) != 0) return errno_error("size image", errno);
  }
  TRY(run_checked({"mkfs.btrfs", "-q", image}, "apt-get install btrfs-progs"));
  return run_checked({"mount", "-o", "loop,noatime", image, folder});
}

FileSystem make_file_system() {
  FileSystem out;
  std::string folder = (std::filesystem::temp_directory_path() / "devrun-btrfs-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return {"", "no temporary folder"};
  const std::string image = folder + ".img";
  const Status mounted = mount_image(folder, image);
  ::unlink(image.c_str());
  if (!mounted) out.why_not = mounted.error().message;
  out.mount_point = folder;
  // The mount lives in our namespace alone; the folder below it goes at exit.
  static std::string to_remove;
  to_remove = folder;
  std::atexit([] {
    ::umount2(to_remove.c_str(), MNT_DETACH);
    ::rmdir(to_remove.c_str());
  });
  return out;
}

const FileSystem& file_system() {
  static const FileSystem out = make_file_system();
  return out;
}

}  // namespace

void BtrfsTest::SetUp() {
  if (!file_system().why_not.empty()) {
    GTEST_SKIP() << "NOT TESTED, needs root and loop devices: " << file_system().why_not;
  }
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  store_ = fmt::format("{}/{}", file_system().mount_point, info->name());
}

const std::string& BtrfsTest::mount_point() const {
  return file_system().mount_point;
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
