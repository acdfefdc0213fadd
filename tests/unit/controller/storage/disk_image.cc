#include "tests/unit/controller/storage/disk_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <vector>

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

std::vector<std::string> make_file_system(FileSystem kind) {
  switch (kind) {
    case FileSystem::kXfs:
      return {"mkfs.xfs", "-q", "-f"};
    case FileSystem::kExt4:
      return {"mkfs.ext4", "-q", "-F"};
    case FileSystem::kBtrfs:
      break;
  }
  return {"mkfs.btrfs", "-q"};
}

}  // namespace

Result<std::unique_ptr<DiskImage>> DiskImage::make(FileSystem kind) {
  TRY(enter_private_namespace());
  auto out = std::make_unique<DiskImage>();
  out->image_ = TRY(unlinked_file());
  std::vector<std::string> words = make_file_system(kind);
  words.push_back(path_of(out->image_));
  TRY(run_checked(words, "apt-get install btrfs-progs xfsprogs e2fsprogs"));
  std::string folder = (std::filesystem::temp_directory_path() / "devrun-disk-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return errno_error("make a mount point", errno);
  out->mount_point_ = folder;
  TRY(out->mount());
  return out;
}

DiskImage::~DiskImage() {
  ::umount2(mount_point_.c_str(), MNT_DETACH);
  ::rmdir(mount_point_.c_str());
}

Status DiskImage::mount() {
  return run_checked({"mount", "-o", "loop,noatime", path_of(image_), mount_point_});
}

Status DiskImage::lose_power() {
  UniqueFd copy = TRY(unlinked_file());
  TRY(copy_data(image_.get(), copy.get()));
  if (::umount2(mount_point_.c_str(), 0) != 0) return errno_error("unmount", errno);
  image_ = std::move(copy);
  return mount();
}

std::string name_of(FileSystem kind) {
  switch (kind) {
    case FileSystem::kXfs:
      return "xfs";
    case FileSystem::kExt4:
      return "ext4";
    case FileSystem::kBtrfs:
      break;
  }
  return "btrfs";
}

const SharedImage& shared_image(FileSystem kind) {
  static std::map<FileSystem, SharedImage> all;
  const auto [at, is_new] = all.try_emplace(kind);
  if (is_new) {
    Result<std::unique_ptr<DiskImage>> image = DiskImage::make(kind);
    if (image) {
      at->second.image = std::move(*image);
    } else {
      at->second.why_not = image.error().message;
    }
  }
  return at->second;
}

}  // namespace devrun::storage
