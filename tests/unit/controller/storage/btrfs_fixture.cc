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

// Once per process, before it has threads.
Status enter_private_namespace() {
  static const int failed = [] {
    if (::unshare(CLONE_NEWNS) != 0) return errno;
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno;
  }();
  return failed == 0 ? ok() : Status(errno_error("enter a private mount namespace", failed));
}

// In memory where that is possible: every snapshot waits for its device.
Result<UniqueFd> unlinked_file() {
  const char* const memory = "/dev/shm";
  const std::string folder =
      ::access(memory, W_OK) == 0 ? memory : std::filesystem::temp_directory_path().string();
  UniqueFd out = TRY(open_file(folder, O_TMPFILE | O_RDWR, 0600));
  if (::ftruncate(out.get(), kImageBytes) != 0) return errno_error("size an image", errno);
  return out;
}

std::string path_of(const UniqueFd& fd) {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), fd.get());
}

Status copy_data(int from, int to) {
  std::string buffer(1 << 20, '\0');
  for (off_t at = 0; (at = ::lseek(from, at, SEEK_DATA)) >= 0;) {
    const off_t end = ::lseek(from, at, SEEK_HOLE);
    while (at < end) {
      const size_t wanted = std::min(buffer.size(), static_cast<size_t>(end - at));
      const ssize_t n = ::pread(from, buffer.data(), wanted, at);
      if (n <= 0 || ::pwrite(to, buffer.data(), static_cast<size_t>(n), at) != n) {
        return errno_error("copy an image", errno);
      }
      at += n;
    }
  }
  return ok();
}

struct Shared {
  std::unique_ptr<BtrfsImage> image;
  std::string why_not;
};

Shared& shared() {
  static Shared out = [] {
    Shared made;
    Result<std::unique_ptr<BtrfsImage>> image = BtrfsImage::make();
    if (image) {
      made.image = std::move(*image);
    } else {
      made.why_not = image.error().message;
    }
    return made;
  }();
  return out;
}

}  // namespace

Result<std::unique_ptr<BtrfsImage>> BtrfsImage::make() {
  TRY(enter_private_namespace());
  auto out = std::make_unique<BtrfsImage>();
  out->image_ = TRY(unlinked_file());
  TRY(run_checked({"mkfs.btrfs", "-q", path_of(out->image_)}, "apt-get install btrfs-progs"));
  std::string folder = (std::filesystem::temp_directory_path() / "devrun-btrfs-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return errno_error("make a mount point", errno);
  out->mount_point_ = folder;
  TRY(out->mount());
  return out;
}

BtrfsImage::~BtrfsImage() {
  ::umount2(mount_point_.c_str(), MNT_DETACH);
  ::rmdir(mount_point_.c_str());
}

Status BtrfsImage::mount() {
  return run_checked({"mount", "-o", "loop,noatime", path_of(image_), mount_point_});
}

Status BtrfsImage::lose_power() {
  UniqueFd copy = TRY(unlinked_file());
  TRY(copy_data(image_.get(), copy.get()));
  if (::umount2(mount_point_.c_str(), 0) != 0) return errno_error("unmount", errno);
  image_ = std::move(copy);
  return mount();
}

void BtrfsTest::SetUp() {
  if (shared().image == nullptr) {
    GTEST_SKIP() << "NOT TESTED, needs root and loop devices: " << shared().why_not;
  }
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  store_ = fmt::format("{}/{}", mount_point(), info->name());
}

const std::string& BtrfsTest::mount_point() const {
  return shared().image->mount_point();
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
