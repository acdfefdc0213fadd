#include "cli/cluster/machine.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include <filesystem>

#include "cli/cluster/ganesha.h"
#include "cli/cluster/keys.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/ports.h"
#include "common/runtime/unix_socket.h"

namespace devrun::cluster {

namespace {

std::function<bool()> socket_accepts(const std::string& path) {
  return [path] { return connect_unix(path).has_value(); };
}

std::string endpoint(uint16_t port) {
  return fmt::format("127.0.0.1:{}", port);
}

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
}

// What all agents are told.
std::vector<std::string> agent_words(const Layout& layout, const Programs& programs,
                                     const Record& record, const std::string& name,
                                     const std::string& address, const Resources& share) {
  const KeyFiles keys = key_files(layout, name);
  return {programs.agent,
          "--name",
          name,
          "--address",
          address,
          "--state",
          layout.node(name),
          "--controller",
          endpoint(record.controller_port),
          "--ca",
          authority_file(layout),
          "--cert",
          keys.certificate,
          "--key",
          keys.key,
          "--keeper",
          layout.socket(keeper_name(name)),
          "--cpus",
          std::to_string(share.cpu_milli / 1000),
          "--memory",
          std::to_string(share.memory_bytes),
          "--cgroup",
          layout.cgroup() + "/" + name,
          "--shim",
          programs.shim,
          "--devrun",
          programs.devrun,
          "--nfs",
          endpoint(record.nfs_port),
          "--shared-folder",
          layout.shared()};
}

Daemon daemon(const std::string& name, const std::string& key, std::vector<std::string> words) {
  Daemon out;
  out.name = name;
  out.key = key;
  out.words = std::move(words);
  return out;
}

Daemon keeper(const Layout& layout, const Programs& programs, const std::string& name,
              std::initializer_list<std::string> more) {
  const std::string socket = layout.socket(name);
  Daemon out = daemon(name, socket, {programs.keeper, "--socket", socket});
  append(out.words, more);
  out.replaceable = false;  // the namespace is its life
  out.ready = socket_accepts(socket);
  return out;
}

}  // namespace

Result<Programs> find_programs() {
  Programs out;
  out.keeper = TRY(find_program("devrun-keeper"));
  out.controller = TRY(find_program("devrun-controller"));
  out.agent = TRY(find_program("devrun-agent"));
  out.fs = TRY(find_program("devrun-fs"));
  out.shim = TRY(find_program("devrun-shim"));
  out.gpus = TRY(find_program("devrun-gpus"));
  out.ganesha = TRY(find_program("ganesha.nfsd"));
  std::error_code failed;
  out.devrun = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed) return Error{Code::kIo, "cannot tell where the devrun program is", {}};
  return out;
}

Resources machine_resources() {
  Resources out;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const int cores = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  out.cpu_milli = 1000LL * cores;
  struct sysinfo info {};
  if (::sysinfo(&info) == 0) {
    out.memory_bytes = static_cast<int64_t>(info.totalram) * static_cast<int64_t>(info.mem_unit);
  }
  return out;
}

Resources node_share(const Resources& machine, int nodes) {
  Resources out = machine;
  out.cpu_milli = std::max<int64_t>(1, machine.cpu_milli / 1000 / nodes) * 1000;
  constexpr int64_t kGrain = 1 << 20;
  out.memory_bytes = machine.memory_bytes / nodes / kGrain * kGrain;
  return out;
}

std::string keeper_name(const std::string& node) {
  return node + ".keeper";
}
std::string fs_name(const std::string& node) {
  return node + ".fs";
}
std::string agent_name(const std::string& node) {
  return node + ".agent";
}

Daemon storage_keeper(const Layout& layout, const Programs& programs) {
  return keeper(layout, programs, "store.keeper", {});
}

Daemon nfs_server(const Layout& layout, const Programs& programs, const Record& record) {
  Daemon out =
      daemon("nfs", layout.nfs() + "/ganesha.conf", ganesha_words(programs.ganesha, layout.nfs()));
  out.environment = ganesha_environment(layout.nfs());
  out.ours = false;
  out.ready = [port = record.nfs_port] { return port_accepts(port); };
  return out;
}

Daemon controller(const Layout& layout, const Programs& programs, const Record& record) {
  const KeyFiles keys = key_files(layout, "controller");
  Daemon out = daemon(
      "controller", layout.controller(),
      {programs.controller, "--store", layout.store(), "--state", layout.controller(), "--listen",
       endpoint(record.controller_port), "--ca", authority_file(layout), "--cert", keys.certificate,
       "--key", keys.key, "--shared-folder", layout.shared(), "--policy", layout.policy()});
  append(out.words, record.controller_flags);
  out.ready = [port = record.controller_port] { return port_accepts(port); };
  return out;
}

Daemon storage_agent_keeper(const Layout& layout, const Programs& programs) {
  return keeper(layout, programs, keeper_name(kStorageAgent), {});
}

Daemon node_keeper(const Layout& layout, const Programs& programs, const std::string& node) {
  const std::string mounts = layout.node(node) + "/fs/";
  return keeper(layout, programs, keeper_name(node),
                {"--hide", layout.store(), "--fuse", mounts + "plain:plain", "--fuse",
                 mounts + "xattr:xattr"});
}

Daemon node_fs(const Layout& layout, const Programs& programs, const Record& record,
               const std::string& node) {
  const std::string control = layout.socket(fs_name(node));
  Daemon out =
      daemon(fs_name(node), control,
             {programs.fs, "--keeper", layout.socket(keeper_name(node)), "--control", control,
              "--nfs", endpoint(record.nfs_port) + "/", "--state", layout.node(node) + "/fs",
              "--cache-size", fmt::format("{}", record.cache_bytes)});
  out.ready = socket_accepts(control);
  return out;
}

Daemon node_agent(const Layout& layout, const Programs& programs, const Record& record, int index,
                  const std::string& node) {
  const Resources share = node_share(machine_resources(), record.nodes);
  Daemon out = daemon(agent_name(node), layout.node(node),
                      agent_words(layout, programs, record, node, node_address(index), share));
  if (record.output_bytes_max > 0) {
    append(out.words, {"--output-max", std::to_string(record.output_bytes_max)});
  }
  append(out.words, {"--live", layout.volumes(), "--live-keeper", layout.socket("store.keeper"),
                     "--fs", layout.socket(fs_name(node)), "--gpus", programs.gpus, "--gpu-root",
                     record.gpu_root, "--gpu-share", fmt::format("{}/{}", index, record.nodes)});
  append(out.words, record.agent_flags);
  return out;
}

Daemon storage_agent(const Layout& layout, const Programs& programs, const Record& record) {
  Daemon out = daemon(
      agent_name(kStorageAgent), layout.node(kStorageAgent),
      agent_words(layout, programs, record, kStorageAgent, node_address(0), machine_resources()));
  append(out.words, {"--live", layout.volumes(), "--dev-containers"});
  append(out.words, record.agent_flags);
  return out;
}

std::vector<Daemon> daemons_of(const Layout& layout, const Programs& programs,
                               const Record& record) {
  std::vector<Daemon> out = {storage_keeper(layout, programs), nfs_server(layout, programs, record),
                             controller(layout, programs, record),
                             storage_agent_keeper(layout, programs),
                             storage_agent(layout, programs, record)};
  const std::vector<std::string> nodes = record.node_names();
  for (size_t i = 0; i < nodes.size(); ++i) {
    out.push_back(node_keeper(layout, programs, nodes[i]));
    out.push_back(node_fs(layout, programs, record, nodes[i]));
    out.push_back(node_agent(layout, programs, record, static_cast<int>(i) + 1, nodes[i]));
  }
  return out;
}

}  // namespace devrun::cluster
