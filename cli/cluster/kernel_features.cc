#include "cli/cluster/kernel_features.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

constexpr uint32_t kHasResend2 = 1u << 7;  // not in Debian 12's header
constexpr const char* kGround = "/tmp";    // covered by a tmpfs of the probe's own
constexpr int kInitPatienceMs = 2000;

// The bdi of the mount at `where`: its device number, which a stat would ask the server for.
bool can_set_read_ahead(const char* where) {
  const Result<std::string> mounts = read_file("/proc/self/mountinfo");
  if (!mounts) return false;
  const size_t at = mounts->find(fmt::format(" / {} ", where));
  if (at == std::string::npos) return false;
  const size_t begin = mounts->rfind(' ', at - 1) + 1;
  const std::string path =
      fmt::format("/sys/class/bdi/{}/read_ahead_kb", mounts->substr(begin, at - begin));
  const Result<UniqueFd> fd = open_file(path, O_WRONLY);
  return fd && write_all(fd->get(), "1024").has_value();
}

void try_fuse(KernelProbe& probe) {
  const std::string where = std::string(kGround) + "/fuse";
  ::mkdir(where.c_str(), 0700);
  const UniqueFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  const std::string options = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0", fd.get());
  if (!fd || ::mount("probe", where.c_str(), "fuse", MS_NODEV, options.c_str()) != 0) return;
  pollfd polled{fd.get(), POLLIN, 0};
  alignas(fuse_init_in) char request[FUSE_MIN_READ_BUFFER];
  if (::poll(&polled, 1, kInitPatienceMs) <= 0) return;
  const ssize_t n = ::read(fd.get(), request, sizeof request);
  fuse_init_in init{};
  if (n < static_cast<ssize_t>(sizeof(fuse_in_header) + 4 * sizeof(uint32_t))) return;
  const auto bytes = static_cast<size_t>(n) - sizeof(fuse_in_header);
  std::memcpy(&init, request + sizeof(fuse_in_header), std::min(bytes, sizeof init));
  probe.fuse = true;
  probe.fuse_flags = init.flags;
  probe.fuse_flags2 = (init.flags & FUSE_INIT_EXT) != 0 ? init.flags2 : 0;
  probe.read_ahead = can_set_read_ahead(where.c_str());
}

bool try_overlay(const std::string& more) {
  for (const char* name : {"lower", "upper", "work", "root"}) {
    ::mkdir(fmt::format("{}/{}", kGround, name).c_str(), 0700);
  }
  const std::string root = std::string(kGround) + "/root";
  const std::string options =
      fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work{1}", kGround, more);
  if (::mount("probe", root.c_str(), "overlay", MS_NODEV, options.c_str()) != 0) return false;
  ::umount2(root.c_str(), MNT_DETACH);
  return true;
}

// In a process and a mount namespace of its own, both of which go with it.
KernelProbe try_all() {
  KernelProbe out;
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("probe", kGround, "tmpfs", MS_NODEV, "size=1m") != 0) {
    return out;
  }
  out.tried = true;
  try_fuse(out);
  out.overlay_redirect = try_overlay(",redirect_dir=on,metacopy=off,xino=auto");
  out.overlay_index = try_overlay(",index=on");
  out.overlay_volatile = try_overlay(",index=off,volatile");
  return out;
}

}  // namespace

KernelProbe probe_kernel() {
  KernelProbe out;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return out;
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const KernelProbe found = try_all();
    const ssize_t n = ::write(write_end.get(), &found, sizeof found);
    ::_exit(n == static_cast<ssize_t>(sizeof found) ? 0 : 1);
  }
  write_end.reset();
  KernelProbe found;
  if (pid > 0 && ::read(read_end.get(), &found, sizeof found) == sizeof found) out = found;
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  utsname name{};
  if (::uname(&name) == 0) std::sscanf(name.release, "%u.%u", &out.major, &out.minor);
  return out;
}

std::vector<Need> kernel_features(const KernelProbe& probe) {
  std::vector<Need> out;
  if (!probe.tried) return out;
  const auto add = [&](const char* name, const char* lost, bool present, const char* since) {
    out.push_back({name, lost, present, false, fmt::format("a kernel from {} on", since)});
  };
  const auto fuse = [&](uint32_t flag) { return (probe.fuse_flags & flag) != 0; };
  add("kernel 5.15 or later", "older ones are not tried by anybody",
      probe.major > 5 || (probe.major == 5 && probe.minor >= 15), "5.15");
  if (probe.fuse) {
    add("FUSE: sends requests again",
        "a devrun-fs that takes over answers what the last one had taken from its own record",
        (probe.fuse_flags2 & kHasResend2) != 0, "6.9");
    add("FUSE: opens nothing", "each open of a file or folder is a question to devrun-fs",
        fuse(FUSE_NO_OPEN_SUPPORT) && fuse(FUSE_NO_OPENDIR_SUPPORT), "5.1");
    add("FUSE: keeps links", "each step through a symbolic link is a question to devrun-fs",
        fuse(FUSE_CACHE_SYMLINKS), "4.20");
    add("FUSE: READDIRPLUS", "`ls -l` and `find -newer` ask for each file",
        fuse(FUSE_DO_READDIRPLUS) && fuse(FUSE_READDIRPLUS_AUTO), "3.9");
    add("FUSE: parallel look-ups", "many readers of one folder wait for one another",
        fuse(FUSE_PARALLEL_DIROPS), "4.7");
    add("FUSE: reads of 1 MiB", "large files are read in pieces of 128 KiB", fuse(FUSE_MAX_PAGES),
        "4.20");
    add("FUSE: files by number", "hard links come apart when a job writes to one",
        fuse(FUSE_EXPORT_SUPPORT), "2.6.32");
    add("FUSE: read-ahead", "large files are read ahead by 128 KiB rather than 1 MiB",
        probe.read_ahead, "2.6.27, with /sys mounted");
  }
  add("overlay: redirect_dir", "no job starts", probe.overlay_redirect, "4.10");
  add("overlay: index", "hard links come apart when a job writes to one", probe.overlay_index,
      "4.13");
  add("overlay: volatile", "each fsync of a job waits for the node's disk", probe.overlay_volatile,
      "5.10");
  return out;
}

}  // namespace devrun::cluster
