#include "agent/sandbox/cgroups.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr auto kEmptyPatience = std::chrono::seconds(5);
constexpr auto kEmptyPoll = std::chrono::milliseconds(2);  // v1 tells nobody when a cgroup is empty

bool is_file_system(const std::string& path, long magic) {
  struct statfs st {};
  return ::statfs(path.c_str(), &st) == 0 && st.f_type == magic;
}

Status put(const std::string& file, std::string_view value) {
  const UniqueFd fd = TRY(open_file(file, O_WRONLY));
  return write_all(fd.get(), value);
}

// Each level of v2 has to hand its controllers down.
void make_parents_v2(const std::string& top, const std::string& parent) {
  std::string folder = top;
  size_t at = 0;
  for (;;) {
    for (const char* controller : {"+cpu", "+memory", "+pids", "+io"}) {
      if (Status done = put(folder + "/cgroup.subtree_control", controller); !done) {
        log::debug("{}: {}", folder, done.error().message);
      }
    }
    if (at == std::string::npos) return;
    const size_t next = parent.find('/', at);
    folder += "/" + parent.substr(at, next == std::string::npos ? next : next - at);
    at = next == std::string::npos ? next : next + 1;
    ::mkdir(folder.c_str(), 0755);
  }
}

int64_t shares(const Resources& r) {
  return std::clamp<int64_t>(r.cpu_milli * 1024 / 1000, 2, 262144);
}

// Of the kernel's own period, 100 ms; it takes no less than a millisecond.
int64_t quota_us(const Resources& r) {
  return std::max<int64_t>(r.cpu_milli * 100, 1000);
}

void limit(const std::string& folder, const char* file, int64_t value) {
  if (Status done = put(folder + "/" + file, std::to_string(value)); !done) {
    log::warning("a limit of {} is not set: {}", value, done.error().message);
  }
}

}  // namespace

CgroupHost CgroupHost::look(const std::string& root) {
  CgroupHost host;
  if (is_file_system(root, CGROUP2_SUPER_MAGIC)) {
    host.unified = root;
    return host;
  }
  if (is_file_system(root + "/cpu", CGROUP_SUPER_MAGIC)) host.cpu = root + "/cpu";
  if (is_file_system(root + "/memory", CGROUP_SUPER_MAGIC)) host.memory = root + "/memory";
  if (is_file_system(root + "/devices", CGROUP_SUPER_MAGIC)) host.devices = root + "/devices";
  if (is_file_system(root + "/pids", CGROUP_SUPER_MAGIC)) host.pids = root + "/pids";
  return host;
}

std::string mount_guard(const std::string& folder) {
  if (is_file_system(folder, CGROUP2_SUPER_MAGIC)) return folder;
  if (!make_folders(folder, 0700)) return {};
  if (::mount("cgroup2", folder.c_str(), "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) !=
      0) {
    log::info("cgroup2 cannot be mounted: {}", std::strerror(errno));
    return {};
  }
  return folder;
}

std::vector<std::string> make_cgroups(const CgroupHost& host, const std::string& parent,
                                      const std::string& name, const Resources& resources,
                                      bool ceiling) {
  std::vector<std::string> made;
  const auto make = [&](const std::string& top) {
    const std::string folder = fmt::format("{}/{}/{}", top, parent, name);
    if (Status done = make_folders(folder); !done) {
      log::info("without a cgroup: {}", done.error().message);
      return std::string();
    }
    made.push_back(folder);
    return folder;
  };
  if (!host.unified.empty()) {
    make_parents_v2(host.unified, parent);
    const std::string folder = make(host.unified);
    if (folder.empty()) return made;
    if (resources.cpu_milli > 0) {
      limit(folder, "cpu.weight", 1 + (shares(resources) - 2) * 9999 / 262142);
      if (ceiling) limit(folder, "cpu.max", quota_us(resources));
    }
    if (resources.memory_bytes > 0) limit(folder, "memory.max", resources.memory_bytes);
    limit(folder, "pids.max", kTasksMax);
  }
  if (!host.cpu.empty() && resources.cpu_milli > 0) {
    const std::string folder = make(host.cpu);
    if (!folder.empty()) limit(folder, "cpu.shares", shares(resources));
    if (!folder.empty() && ceiling) limit(folder, "cpu.cfs_quota_us", quota_us(resources));
  }
  if (!host.memory.empty() && resources.memory_bytes > 0) {
    const std::string folder = make(host.memory);
    if (!folder.empty()) limit(folder, "memory.limit_in_bytes", resources.memory_bytes);
  }
  if (!host.pids.empty()) {
    const std::string folder = make(host.pids);
    if (!folder.empty()) limit(folder, "pids.max", kTasksMax);
  }
  return made;
}

void kill_cgroups(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    if (put(folder + "/cgroup.kill", "1")) continue;
    const Result<std::string> pids = read_file(folder + "/cgroup.procs");
    if (!pids) continue;
    for (const char* at = pids->c_str(); *at != '\0';) {
      char* end = nullptr;
      const auto pid = static_cast<pid_t>(std::strtol(at, &end, 10));
      if (end == at) break;
      if (pid > 0) ::kill(pid, SIGKILL);
      at = *end == '\n' ? end + 1 : end;
    }
  }
}

namespace {

// Kills what is in each folder until it is `done`.
Status kill_until(const std::vector<std::string>& folders,
                  const std::function<Result<bool>(const std::string&)>& done) {
  const auto deadline = std::chrono::steady_clock::now() + kEmptyPatience;
  for (const std::string& folder : folders) {
    while (!TRY(done(folder))) {
      if (std::chrono::steady_clock::now() > deadline) {
        return Error{Code::kTimeout, folder + " still has processes", {}};
      }
      kill_cgroups({folder});
      std::this_thread::sleep_for(kEmptyPoll);
    }
  }
  return ok();
}

}  // namespace

Status end_cgroups(const std::vector<std::string>& folders) {
  return kill_until(folders, [](const std::string& folder) -> Result<bool> {
    const Result<std::string> pids = read_file(folder + "/cgroup.procs");
    return !pids || pids->empty();
  });
}

Status remove_cgroups(const std::vector<std::string>& folders) {
  return kill_until(folders, [](const std::string& folder) -> Result<bool> {
    if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return true;
    if (errno != EBUSY) return errno_error("rmdir " + folder, errno);
    return false;
  });
}

}  // namespace devrun::sandbox
