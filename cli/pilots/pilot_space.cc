#include "cli/pilots/pilot_space.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "cli/cluster/say.h"
#include "common/runtime/fd.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"

namespace devrun::pilots {

namespace {

constexpr std::string_view kTop = "/sys/fs/cgroup";

Status mount_here(const char* what, const std::string& where, const char* type, unsigned long flags,
                  const char* options) {
  if (::mount(what, where.c_str(), type, flags, options) == 0) return ok();
  return errno_error(fmt::format("mount {} at {}", type == nullptr ? what : type, where), errno);
}

// Several controllers that are mounted together are known by the name of each.
Status mount_cgroup(const CgroupMount& one) {
  TRY(make_folders(one.where));
  TRY(mount_here("cgroup", one.where, one.type.c_str(), MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 one.options.empty() ? nullptr : one.options.c_str()));
  const std::string own = one.where.substr(one.where.rfind('/') + 1);
  for (std::string_view rest = own; own.find(',') != std::string::npos && !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string alias = fmt::format("{}/{}", kTop, rest.substr(0, comma));
    if (::symlink(own.c_str(), alias.c_str()) != 0 && errno != EEXIST)
      return errno_error("symlink " + alias, errno);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return ok();
}

// What is mounted below from now on is ours alone; what the host mounts later is seen.
Status make_space() {
  if (::unshare(CLONE_NEWNS | CLONE_NEWCGROUP) != 0) return errno_error("unshare", errno);
  TRY(mount_here("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr));
  TRY(mount_here("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr));
  const std::string mounts = TRY(read_file("/proc/self/mountinfo"));
  const std::vector<CgroupMount> cgroups = cgroup_mounts(mounts);
  if (cgroups.empty()) return ok();
  // The kernel mounts no file system over itself: another one comes between.
  TRY(mount_here("cgroup", std::string(kTop), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 "mode=755"));
  for (const CgroupMount& one : cgroups) TRY(mount_cgroup(one));
  return ok();
}

// With the parent's end of the pipe the parent is gone, also one that went before the kernel knew that we die with it.
bool parent_lives(int pipe) {
  pollfd gone{pipe, 0, 0};
  return ::poll(&gone, 1, 0) == 0;
}

}  // namespace

Result<pid_t> start_in_own_space(const std::function<int()>& work) {
  static UniqueFd kept;  // for as long as we live
  Pipe alive = TRY(make_pipe());
  if (::unshare(CLONE_NEWPID) != 0) return errno_error("unshare", errno);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork", errno);
  if (pid != 0) {
    kept = std::move(alive.write);
    return pid;
  }
  alive.write.reset();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!parent_lives(alive.read.get())) ::_exit(1);
  ::setsid();
  if (const Status made = make_space(); !made) ::_exit(cluster::say_error(made.error()));
  ::_exit(work());
}

std::vector<CgroupMount> cgroup_mounts(std::string_view mountinfo) {
  static const std::set<std::string_view> kControllers = {
      "cpu",  "cpuacct", "cpuset",   "memory",     "devices", "freezer", "blkio",
      "pids", "net_cls", "net_prio", "perf_event", "hugetlb", "rdma",    "misc"};
  std::vector<CgroupMount> out;
  while (!mountinfo.empty()) {
    const size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    std::vector<std::string_view> words;
    std::string_view line = mountinfo.substr(0, end);
    while (!line.empty()) {
      const size_t blank = std::min(line.find(' '), line.size());
      words.push_back(line.substr(0, blank));
      line.remove_prefix(std::min(blank + 1, line.size()));
    }
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    if (words.size() < 6 || !words[4].starts_with(kTop)) continue;
    const std::string_view type = words[words.size() - 3];
    if (type != "cgroup" && type != "cgroup2") continue;
    CgroupMount one{std::string(words[4]), std::string(type), {}};
    for (std::string_view rest = words.back(); !rest.empty() && type == "cgroup";) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view option = rest.substr(0, comma);
      if (kControllers.count(option) != 0 || option.starts_with("name=")) {
        one.options += fmt::format("{}{}", one.options.empty() ? "" : ",", option);
      }
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace devrun::pilots
