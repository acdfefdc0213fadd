#include "cli/cluster/machine.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include <filesystem>

#include "cli/cluster/ganesha.h"
#include "cli/cluster/keys.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/plan.h"
#include "cli/cluster/ports.h"

namespace devrun::cluster {

namespace {

std::string endpoint(uint16_t port) {
  return fmt::format("127.0.0.1:{}", port);
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

Result<std::string> find_gpu_probe() {
  return find_program("devrun-gpus");
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

// Of the storage host: its namespace is the one in which the store is mounted.
Daemon storage_keeper(const Layout& layout, const Programs& programs) {
  return keeper_daemon(layout, programs, "store", {}, false);
}

Daemon nfs_server(const Layout& layout, const Programs& programs, const Record& record) {
  Daemon out;
  out.name = "nfs";
  out.key = layout.nfs() + "/ganesha.conf";
  out.words = ganesha_words(programs.ganesha, layout.nfs());
  out.environment = ganesha_environment(layout.nfs());
  out.ours = false;
  out.ready = [port = record.nfs_port] { return port_accepts(port); };
  return out;
}

Daemon controller(const Layout& layout, const Programs& programs, const Record& record) {
  std::vector<std::string> more = {"--ca-key",       key_files(layout, "ca").key,
                                   "--join-listen",  endpoint(record.join_port),
                                   "--join-address", endpoint(record.join_port),
                                   "--address",      endpoint(record.controller_port)};
  more.insert(more.end(), record.controller_flags.begin(), record.controller_flags.end());
  Daemon out = controller_daemon(layout, programs,
                                 {layout.store(), endpoint(record.controller_port), layout.shared(),
                                  layout.policy(), std::move(more)});
  out.ready = [port = record.controller_port] { return port_accepts(port); };
  return out;
}

Daemon storage_agent_keeper(const Layout& layout, const Programs& programs) {
  return keeper_daemon(layout, programs, kStorageAgent, {}, false);
}

Daemon node_keeper(const Layout& layout, const Programs& programs, const std::string& node) {
  return keeper_daemon(layout, programs, node, layout.store(), true);
}

Daemon node_fs(const Layout& layout, const Programs& programs, const Record& record,
               const std::string& node) {
  return files_daemon(layout, programs, node,
                      {endpoint(record.nfs_port) + "/", record.cache_bytes});
}

namespace {

AgentPlan agent_plan(const Layout& layout, const Record& record, const std::string& name, int index,
                     const Resources& share) {
  AgentPlan out;
  out.name = name;
  out.address = node_address(index);
  out.controller = endpoint(record.controller_port);
  out.authority = authority_file(layout);
  out.keys = key_files(layout, name);
  out.cpu_milli = share.cpu_milli / 1000 * 1000;
  out.memory_bytes = share.memory_bytes;
  out.nfs = endpoint(record.nfs_port);
  out.shared_folder = layout.shared();
  out.volumes = layout.volumes();
  out.more = record.agent_flags;
  return out;
}

}  // namespace

Daemon node_agent(const Layout& layout, const Programs& programs, const Record& record, int index,
                  const std::string& node) {
  AgentPlan plan =
      agent_plan(layout, record, node, index, node_share(machine_resources(), record.nodes));
  plan.live_keeper = layout.socket(keeper_name("store"));
  plan.gpu_root = record.gpu_root;
  plan.gpu_share = fmt::format("{}/{}", index, record.nodes);
  if (record.output_bytes_max > 0) plan.output_bytes_max = record.output_bytes_max;
  return agent_daemon(layout, programs, plan);
}

Daemon storage_agent(const Layout& layout, const Programs& programs, const Record& record) {
  AgentPlan plan = agent_plan(layout, record, kStorageAgent, 0, machine_resources());
  plan.of_node = false;
  return agent_daemon(layout, programs, plan);
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
