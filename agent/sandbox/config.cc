#include "agent/sandbox/config.h"

#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/sandbox/names.h"
#include "agent/sandbox/rank_ssh.h"

namespace devrun::sandbox {

namespace {

using nlohmann::json;

constexpr rlim_t kOpenFilesHard = 1'048'576;  // as Docker has it
constexpr rlim_t kOpenFilesSoft =
    65'536;  // enough for data loaders; more makes those slow that close all

json mount(std::string_view where, std::string_view type, std::string_view source, json options) {
  return {{"destination", where}, {"type", type}, {"source", source}, {"options", options}};
}

json bind_mount(std::string_view where, const std::string& source, bool writable) {
  return mount(where, "bind", source, {"bind", writable ? "rw" : "ro", "nosuid", "nodev"});
}

json mounts(const ConfigInput& in) {
  json out = json::array();
  out.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/dev", "tmpfs", "tmpfs",
                      {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}));
  out.push_back(mount("/dev/pts", "devpts", "devpts",
                      {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  // As large as the job's memory, for PyTorch's data loaders: the memory limit counts what is in it. Without one the
  // kernel's own rule holds, half of the machine's memory.
  json shm = {"nosuid", "noexec", "nodev", "mode=1777"};
  if (in.spec.resources.memory_bytes > 0) {
    shm.push_back("size=" + std::to_string(in.spec.resources.memory_bytes));
  }
  out.push_back(mount("/dev/shm", "tmpfs", "shm", std::move(shm)));
  out.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  if (in.cgroup2) {
    out.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"}));
  }
  out.push_back(mount("/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755"}));
  out.push_back(
      mount("/run/lock", "tmpfs", "tmpfs", {"nosuid", "nodev", "noexec", "mode=1777", "size=5m"}));
  out.push_back(bind_mount("/run/devrun", in.run_folder, false));
  out.push_back(bind_mount("/run/devrun/init", in.shim_program, false));
  if (!in.devrun_program.empty()) {
    out.push_back(bind_mount("/run/devrun/bin/devrun", in.devrun_program, false));
    if (in.devrun_in_tree) out.push_back(bind_mount(kDevrunInTree, in.devrun_program, false));
  }
  if (in.ssh_config_in_tree) {
    out.push_back(bind_mount(kSshConfigInTree, in.run_folder + "/ssh/config", false));
  }
  for (const gpu::BoundFile& file : in.grant.files) {
    out.push_back(bind_mount(file.target, file.source, false));
  }
  if (!in.tmp_in_tree) out.push_back(bind_mount("/tmp", in.places.tmp(), true));
  if (!in.var_tmp_in_tree) out.push_back(bind_mount("/var/tmp", in.places.var_tmp(), true));
  for (const std::string_view path : kMountedFiles) {
    const std::string text(path);
    if (std::count(in.skipped_mounts.begin(), in.skipped_mounts.end(), text) != 0) continue;
    out.push_back(bind_mount(path, in.places.files() + text.substr(text.rfind('/')), true));
  }
  // What contains others comes first, or it would hide them.
  std::vector<BoundFolder> bound = in.bound;
  std::ranges::stable_sort(bound, {}, [](const BoundFolder& one) { return one.target.size(); });
  for (const BoundFolder& folder : bound) {
    json one = bind_mount(folder.target, folder.source, folder.writable);
    if (folder.with_submounts) one["options"][0] = "rbind";
    out.push_back(std::move(one));
  }
  return out;
}

// Root gets the capabilities, others only the right to get them through sudo.
json capabilities(uint32_t uid) {
  json all = json::array();
  for (const std::string_view name : kCapabilities) all.push_back(name);
  if (uid != 0) return {{"bounding", all}};
  return {{"bounding", all}, {"effective", all}, {"permitted", all}};
}

// Without CAP_SYS_RESOURCE a limit can only be what ours is.
json open_files() {
  rlimit own{};
  ::getrlimit(RLIMIT_NOFILE, &own);
  const rlim_t hard = std::min(own.rlim_max, kOpenFilesHard);
  return {{"type", "RLIMIT_NOFILE"}, {"hard", hard}, {"soft", std::min(hard, kOpenFilesSoft)}};
}

// GPUs and network cards reach memory that stays where it is: as much of it as their programs want, where we may give that.
json locked_memory() {
  rlimit own{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &own) != 0) ::getrlimit(RLIMIT_MEMLOCK, &own);
  return {{"type", "RLIMIT_MEMLOCK"}, {"hard", own.rlim_max}, {"soft", own.rlim_max}};
}

json process(const ConfigInput& in) {
  const Caller& caller = in.spec.program.caller;
  json out = {
      {"terminal", false},  // init makes the pty
      {"args", {"/run/devrun/init"}},
      {"env", {"PATH=/usr/bin:/bin"}},
      {"cwd", "/"},
      {"capabilities", capabilities(caller.uid)},
      {"rlimits", json::array({open_files()})},
      {"noNewPrivileges", false},
      {"user", {{"uid", caller.uid}, {"gid", caller.gid}, {"umask", caller.umask}}},
  };
  if (!in.grant.devices.empty()) out["rlimits"].push_back(locked_memory());
  std::set<uint32_t> groups = in.more_groups;
  groups.insert(caller.groups.begin(), caller.groups.end());
  if (!groups.empty()) out["user"]["additionalGids"] = groups;
  return out;
}

// crun makes them in the container's own /dev.
json devices(const gpu::Grant& grant) {
  constexpr uint32_t kForAll = 0666;
  json out = json::array();
  for (const gpu::DeviceNode& node : grant.devices) {
    out.push_back({{"path", node.path},
                   {"type", std::string(1, node.type)},
                   {"major", node.major},
                   {"minor", node.minor},
                   {"fileMode", kForAll}});
  }
  return out;
}

json linux_part(const gpu::Grant& grant) {
  json namespaces = json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup"}) {
    namespaces.push_back({{"type", type}});
  }
  return {
      {"namespaces", namespaces},
      {"devices", devices(grant)},
      {"rootfsPropagation", "rprivate"},
      {"maskedPaths",
       {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
        "/sys/firmware"}},
      {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
  };
}

}  // namespace

std::string container_config(const ConfigInput& in) {
  json config = {
      {"ociVersion", "1.0.2"},
      {"process", process(in)},
      {"root", {{"path", "rootfs"}, {"readonly", false}}},
      {"hostname", container_hostname(in.spec, in.node)},
      {"mounts", mounts(in)},
      {"linux", linux_part(in.grant)},
  };
  if (!in.seccomp.empty()) config["annotations"] = {{"run.oci.seccomp_bpf_data", in.seccomp}};
  return config.dump();
}

}  // namespace devrun::sandbox
