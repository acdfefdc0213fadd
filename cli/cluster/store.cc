#include "cli/cluster/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>

#include "cli/cluster/say.h"
#include "common/base/units.h"
#include "common/runtime/child.h"
#include "common/runtime/fd.h"
#include "common/runtime/file.h"
#include "common/runtime/loop_device.h"
#include "common/runtime/pipe.h"

namespace devrun::cluster {

namespace {

constexpr int64_t kImageBytesDefaultMax = 20LL << 30;

Result<Space> space_of(const std::string& folder) {
  struct statvfs st {};
  if (::statvfs(folder.c_str(), &st) != 0)
    return errno_error(fmt::format("statvfs {}", folder), errno);
  const auto block = static_cast<int64_t>(st.f_frsize);
  return Space{static_cast<int64_t>(st.f_blocks) * block,
               static_cast<int64_t>(st.f_bavail) * block};
}

Status allocate_and_format(const std::string& path, int64_t bytes) {
  const UniqueFd fd = TRY(open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
  if (::fallocate(fd.get(), 0, 0, bytes) != 0) {
    Error error = errno_error(fmt::format("reserve {} for the store", format_size(bytes)), errno);
    error.hint = "free some space, or devrun up --size with less, or --store on another disk";
    return error;
  }
  // Metadata once, not twice: the copies would lie in the same file. -K: no discard, which would
  // make holes. Small nodes: the first change below a node after a snapshot costs a reference to each
  // of its children.
  TRY(run_checked(
      {"mkfs.btrfs", "-q", "-f", "-K", "-m", "single", "-n", "4096", "-L", "devrun", path},
      "apt-get install -y btrfs-progs"));
  if (::fsync(fd.get()) != 0) return errno_error(fmt::format("fsync {}", path), errno);
  return ok();
}

Status mount_image(const Layout& layout) {
  const UniqueFd image = TRY(open_file(layout.image(), O_RDWR));
  std::string device;
  const UniqueFd loop = TRY(attach_loop(image.get(), device));
  // ssd: what calls itself a rotating disk (as disks of virtual machines do) makes btrfs wait a tick or
  // two for company in each fsync that is not alone: 64 of them took 135 ms, and 5 with it.
  if (::mount(device.c_str(), layout.store().c_str(), "btrfs", MS_NOATIME | MS_NODEV,
              "nodiscard,ssd") != 0) {
    Error error = errno_error(fmt::format("mount {}", layout.image()), errno);
    error.hint = "dmesg | tail   (what the kernel says about it)";
    return error;
  }
  return ok();
}

Status bind_folder(const std::string& folder) {
  if (::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOATIME,
              nullptr) != 0) {
    return errno_error(fmt::format("bind {}", folder), errno);
  }
  return ok();
}

bool is_mount_point(const std::string& folder) {
  struct statx st {};
  return ::statx(AT_FDCWD, folder.c_str(), 0, STATX_BASIC_STATS, &st) == 0 &&
         (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// An Error as bytes for the pipe: code, NUL, message, NUL, hint.
std::string encode(const Error& error) {
  std::string out = std::to_string(static_cast<int>(error.code));
  return out + '\0' + error.message + '\0' + error.hint;
}

Error decode(std::string_view text) {
  Error out;
  const size_t first = text.find('\0');
  const size_t second = first == std::string_view::npos ? first : text.find('\0', first + 1);
  if (second == std::string_view::npos) return {Code::kInternal, "the child died", {}};
  int code = 0;
  std::from_chars(text.data(), text.data() + first, code);
  return {static_cast<Code>(code), std::string(text.substr(first + 1, second - first - 1)),
          std::string(text.substr(second + 1))};
}

}  // namespace

Result<int64_t> image_size(const Space& space, std::optional<int64_t> asked) {
  const int64_t reserve = space.total_bytes / 10;
  const int64_t most = space.free_bytes - reserve;
  const std::string hint =
      "free some space, or devrun up --size SMALLER, or --store on another disk";
  if (asked && *asked < kImageBytesMin) {
    return Error{Code::kInvalid,
                 fmt::format("a store of {} is too small: {} at least", format_size(*asked),
                             format_size(kImageBytesMin)),
                 "the same with --size 4G"};
  }
  const int64_t wanted =
      asked ? *asked : std::min({kImageBytesDefaultMax, space.free_bytes / 10 * 6, most});
  if (wanted < kImageBytesMin || wanted > most) {
    return Error{
        Code::kExhausted,
        fmt::format("no room for a store of {}: {} are free, of which {} (10 % of the disk) "
                    "must stay so",
                    format_size(std::max(wanted, kImageBytesMin)), format_size(space.free_bytes),
                    format_size(reserve)),
        hint};
  }
  constexpr int64_t kGrain = 1 << 20;
  return wanted / kGrain * kGrain;
}

Result<bool> shall_be_image(const std::string& folder, std::optional<StoreDriver> asked) {
  struct statfs st {};
  if (::statfs(folder.c_str(), &st) != 0)
    return errno_error(fmt::format("statfs {}", folder), errno);
  const auto type = static_cast<uint64_t>(st.f_type);
  const bool on_btrfs = type == BTRFS_SUPER_MAGIC;
  if (asked != StoreDriver::kScan) return !on_btrfs;
  if (on_btrfs) {
    return Error{Code::kInvalid,
                 fmt::format("{} is on btrfs, where the store uses the driver btrfs", folder),
                 "devrun up without --driver scan, or --store on another file system"};
  }
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) {
    return Error{Code::kInvalid,
                 fmt::format("{} is in memory, and volumes must survive power loss", folder),
                 "devrun up --store on a disk"};
  }
  return false;
}

Status ensure_image(const Layout& layout, std::optional<int64_t> asked_bytes) {
  struct stat st {};
  if (::stat(layout.image().c_str(), &st) == 0) {
    if (asked_bytes && *asked_bytes != st.st_size) {
      say("the store keeps its size of {}; --size counts when it is made", format_size(st.st_size));
    }
    return ok();
  }
  const Space space = TRY(space_of(layout.folder));
  const int64_t bytes = TRY(image_size(space, asked_bytes));
  say("making the store, a btrfs image of {} at {}", format_size(bytes), layout.image());
  const std::string temporary = layout.image() + ".new";
  if (Status made = allocate_and_format(temporary, bytes); !made) {
    ::unlink(temporary.c_str());
    return made;
  }
  if (::rename(temporary.c_str(), layout.image().c_str()) != 0) {
    return errno_error(fmt::format("rename to {}", layout.image()), errno);
  }
  return sync_folder(layout.folder);
}

Status mount_store(const Layout& layout, bool image, int mount_namespace) {
  return run_in_namespace(mount_namespace, [&]() -> Status {
    if (!is_mount_point(layout.store())) {
      TRY(image ? mount_image(layout) : bind_folder(layout.store()));
    }
    return make_folders(layout.exported(), 0755);
  });
}

Status run_in_namespace(int mount_namespace, const std::function<Status()>& action) {
  Pipe pipe = TRY(make_pipe());
  UniqueFd reader = std::move(pipe.read);
  UniqueFd writer = std::move(pipe.write);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork", errno);
  if (pid == 0) {
    reader.reset();
    Status done = ::setns(mount_namespace, CLONE_NEWNS) == 0
                      ? action()
                      : Status(errno_error("enter the storage namespace", errno));
    if (!done) (void)write_all(writer.get(), encode(done.error()));
    ::_exit(done ? 0 : 1);
  }
  writer.reset();
  std::string said;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(reader.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    said.append(buffer, static_cast<size_t>(n));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return ok();
  return decode(said);
}

}  // namespace devrun::cluster
