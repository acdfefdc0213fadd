#include "bench/storage/scratch_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <vector>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::bench {

Status enter_private_namespace() {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return errno_error("enter a mount namespace", errno);
  }
  return ok();
}

Result<std::unique_ptr<ScratchDisk>> ScratchDisk::make(const std::string& folder,
                                                       const std::string& kind, int64_t bytes,
                                                       const std::vector<std::string>& options) {
  auto out = std::make_unique<ScratchDisk>();
  out->image_ = TRY(open_file(folder, O_TMPFILE | O_RDWR, 0600));
  if (::ftruncate(out->image_.get(), bytes) != 0) return errno_error("size an image", errno);
  const std::string image = fmt::format("/proc/{}/fd/{}", ::getpid(), out->image_.get());
  std::vector<std::string> words{"mkfs." + kind, "-q"};
  if (kind == "btrfs") words.insert(words.end(), {"-K", "-m", "single"});
  if (kind == "ext4") words.emplace_back("-F");
  words.insert(words.end(), options.begin(), options.end());
  words.push_back(image);
  TRY(run_checked(words, "apt-get install btrfs-progs xfsprogs e2fsprogs"));
  std::string path = folder + "/devrun-bench-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return errno_error("make a mount point", errno);
  out->path_ = path;
  TRY(run_checked({"sh", "-ec",
                   "device=$(losetup -f --show --direct-io=on \"$0\"); "
                   "trap 'losetup -d $device' EXIT; mount -o noatime $device \"$1\"",
                   image, path}));
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return errno_error("stat", errno);
  const std::string mounts = TRY(read_file("/proc/self/mountinfo"));
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find("/dev/loop");
    if (at == std::string::npos || line.find(" " + path + " ") == std::string::npos) continue;
    out->device_ = line.substr(at + 5, line.find(' ', at) - at - 5);
  }
  return out;
}

ScratchDisk::~ScratchDisk() {
  if (path_.empty()) return;
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

uint64_t ScratchDisk::flushes() const {
  // The sixteenth number of the block device's statistics.
  const Result<std::string> text = read_file(fmt::format("/sys/block/{}/stat", device_));
  if (!text) return 0;
  std::istringstream numbers(*text);
  uint64_t value = 0;
  for (int i = 0; i < 16; ++i) numbers >> value;
  return value;
}

}  // namespace devrun::bench
