#include "cli/cluster/needs.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

bool exists(const std::string& path) {
  std::error_code failed;
  return std::filesystem::exists(path, failed);
}

bool is_program(const std::string& path) {
  std::error_code failed;
  return ::access(path.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(path, failed);
}

bool kernel_has(const std::string& file_system) {
  const auto listed = [&] {
    const Result<std::string> text = read_file("/proc/filesystems");
    return text && ("\n" + *text).find("\t" + file_system + "\n") != std::string::npos;
  };
  if (listed()) return true;
  // A module that is there but not loaded yet.
  return run_child({"modprobe", "-q", file_system}).has_value() && listed();
}

// Root in an unprivileged container has uid 0 and may do nothing.
bool may_unshare_mounts() {
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) ::_exit(::unshare(CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && status == 0;
}

bool has_ganesha_vfs() {
  constexpr std::array kPaths = {"/usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so",
                                 "/usr/lib/aarch64-linux-gnu/ganesha/libfsalvfs.so",
                                 "/usr/lib/ganesha/libfsalvfs.so"};
  for (const char* path : kPaths) {
    if (exists(path)) return true;
  }
  return false;
}

// What nfs-ganesha reads to find the file system of its export: a link into /proc wherever a system was booted, missing
// in a root that never was.
bool has_mount_table() {
  std::error_code failed;
  return std::filesystem::canonical("/etc/mtab", failed).string().starts_with("/proc/");
}

Need program(const std::string& name, const std::string& purpose, const std::string& package,
             bool required) {
  return {name, purpose, find_program(name).has_value(), required, "apt-get install -y " + package};
}

Need kernel(const std::string& what, const std::string& purpose, bool present,
            const std::string& module) {
  return {what + " in the kernel", purpose, present, true, "modprobe " + module};
}

}  // namespace

std::optional<Need> gpu_need(const std::string& driver_root) {
  const std::string root = driver_root == "/" ? "" : driver_root;
  if (!exists(root + "/dev/nvidiactl") && !exists(root + "/proc/driver/nvidia/version")) {
    return std::nullopt;
  }
  const bool is_there = is_program(root + "/usr/bin/nvidia-modprobe");
  return Need{.name = "/dev/nvidia-uvm",
              .purpose =
                  "what every CUDA program opens; nothing makes it after a boot but "
                  "nvidia-modprobe, which the agent calls where it is installed",
              .present = exists(root + "/dev/nvidia-uvm"),
              .required = false,
              .mend = std::string(is_there ? "" : "apt-get install -y nvidia-modprobe && ") +
                      "nvidia-modprobe -u -c=0"};
}

namespace {

Need of_store(Need need) {
  need.of_store = true;
  return need;
}

}  // namespace

std::vector<Need> check_needs() {
  std::vector<Need> out;
  const bool root = ::geteuid() == 0;
  out.push_back({"root", "mounts and containers are made by root", root, true, "sudo devrun up"});
  if (root) {
    out.push_back({"mount namespaces", "each node has its own", may_unshare_mounts(), true,
                   "run devrun on the host, or in a container started with --privileged"});
  }
  out.push_back(kernel("fuse", "nodes show snapshots through it",
                       kernel_has("fuse") && exists("/dev/fuse"), "fuse"));
  out.push_back(
      kernel("overlay", "a job writes above its snapshot", kernel_has("overlay"), "overlay"));
  out.push_back(of_store(kernel("btrfs", "volumes live on it", kernel_has("btrfs"), "btrfs")));
  out.push_back(of_store(kernel("loop", "the store is a file unless the folder is on btrfs",
                                exists("/dev/loop-control"), "loop")));
  out.push_back(program("crun", "runs the containers", "crun", true));
  out.push_back(of_store(
      program("ganesha.nfsd", "serves snapshots to nodes", "nfs-ganesha nfs-ganesha-vfs", true)));
  out.push_back(of_store({"nfs-ganesha-vfs", "serves snapshots to nodes", has_ganesha_vfs(), true,
                          "apt-get install -y nfs-ganesha-vfs"}));
  out.push_back(of_store({"/etc/mtab", "nfs-ganesha finds the store in it", has_mount_table(), true,
                          "ln -sf /proc/self/mounts /etc/mtab"}));
  out.push_back(of_store(program("mkfs.btrfs", "makes the store", "btrfs-progs", true)));
  out.push_back({"seccomp profile", "confines the containers",
                 exists("/usr/share/containers/seccomp.json"), true,
                 "apt-get install -y golang-github-containers-common"});
  for (const char* name :
       {"devrun-controller", "devrun-agent", "devrun-shim", "devrun-fs", "devrun-keeper"}) {
    out.push_back({name, "a part of devrun", find_program(name).has_value(), true,
                   "cmake --preset release && cmake --build build/release"});
    out.back().of_store = std::string_view(name) == "devrun-controller";
  }
  out.push_back(of_store(
      program("debootstrap", "makes volumes with --from-debootstrap", "debootstrap", false)));
  out.push_back(of_store(program("skopeo", "will make volumes from images", "skopeo", false)));
  out.push_back(program("nft", "keeps containers off the NFS port", "nftables", false));
  if (std::optional<Need> gpu = gpu_need("/")) out.push_back(std::move(*gpu));
  return out;
}

Status require_needs(const std::vector<Need>& needs) {
  for (const Need& need : needs) {
    if (need.present || !need.required) continue;
    return Error{
        Code::kUnsupported,
        fmt::format("a cluster cannot start here: {} is missing ({})", need.name, need.purpose),
        need.mend + "   (`devrun doctor` lists all)"};
  }
  return ok();
}

Result<std::string> find_program(const std::string& name) {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  std::vector<std::string> folders;
  if (!failed) folders.push_back(self.parent_path().string());
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) folders.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const char* folder : {"/usr/sbin", "/sbin", "/usr/bin", "/bin"})
    folders.emplace_back(folder);
  for (const std::string& folder : folders) {
    std::string candidate = folder + "/" + name;
    if (is_program(candidate)) return candidate;
  }
  return Error{Code::kNotFound, fmt::format("{} is not installed", name), "devrun doctor"};
}

}  // namespace devrun::cluster
