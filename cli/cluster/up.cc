// `devrun up`: from whatever there is to a cluster that serves. Each step looks first and does only
// what is missing.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <set>

#include "cli/cluster/client_config.h"
#include "cli/cluster/cluster.h"
#include "cli/cluster/daemon.h"
#include "cli/cluster/ending.h"
#include "cli/cluster/ganesha.h"
#include "cli/cluster/installed.h"
#include "cli/cluster/keys.h"
#include "cli/cluster/lock.h"
#include "cli/cluster/machine.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/node_files.h"
#include "cli/cluster/port_choice.h"
#include "cli/cluster/record.h"
#include "cli/cluster/say.h"
#include "cli/cluster/store.h"
#include "common/base/units.h"
#include "common/runtime/file.h"
#include "common/runtime/namespace.h"

namespace devrun::cluster {

namespace {

constexpr Duration kAgentsLimit = seconds(15);
constexpr const char* kConfigurations = "/etc/devrun";

Status start_and_await(const Layout& layout, const Daemon& daemon) {
  TRY(ensure_started(layout, daemon));
  return await_ready(layout, daemon);
}

// A namespace without its keeper may live on in those that are in it; they would keep the store
// mounted beside the new one, so they end first.
Status end_orphans(const Layout& layout, const std::string& keeper, const Layout& members) {
  if (is_running(layout, keeper)) return ok();
  const Ended ended =
      TRY(end_members(members, fmt::format("{} had ended, and all that ran below it", keeper)));
  if (ended.processes > 0) {
    say("{} had died: ended {} of its processes, {} jobs among them", keeper, ended.processes,
        ended.attempts);
  }
  return ok();
}

Status choose_nodes(const UpOptions& options, const Layout& layout, Record& record) {
  const int wanted = options.nodes.value_or(record.nodes);
  if (wanted < 1 || wanted > kNodesMax) {
    return Error{Code::kInvalid, fmt::format("{} nodes: 1 to {} are possible", wanted, kNodesMax),
                 "devrun up --nodes 3"};
  }
  for (int i = wanted + 1; i <= record.nodes; ++i) {
    if (!is_running(layout, keeper_name(fmt::format("node{}", i)))) continue;
    return Error{Code::kConflict,
                 fmt::format("node{} is up, and a cluster that is up does not shrink", i),
                 fmt::format("devrun down, then devrun up --nodes {}", wanted)};
  }
  record.nodes = wanted;
  return ok();
}

Status make_cluster_folders(const Layout& layout, const Record& record) {
  TRY(make_private_folder(layout.store()));
  TRY(make_private_folder(layout.nodes()));
  TRY(make_folders(layout.controller(), 0700));
  TRY(make_folders(layout.run(), 0700));
  TRY(make_folders(layout.nfs() + "/recovery", 0700));
  TRY(make_folders(layout.node(kStorageAgent), 0700));
  for (const std::string& node : record.node_names()) {
    TRY(make_folders(layout.node(node) + "/fs/plain", 0755));
    TRY(make_folders(layout.node(node) + "/fs/xattr", 0755));
  }
  return ok();
}

Status start_storage(const Layout& layout, const Programs& programs, const Record& record) {
  TRY(start_and_await(layout, storage_keeper(layout, programs)));
  const UniqueFd space = TRY(mount_namespace_of(layout.socket("store.keeper")));
  TRY(mount_store(layout, record.store_is_image, space.get()));
  TRY(write_file_atomically(
      layout.nfs() + "/ganesha.conf",
      ganesha_config(
          {.port = record.nfs_port, .exported = layout.exported(), .folder = layout.nfs()}),
      0600));
  Daemon nfs = nfs_server(layout, programs, record);
  nfs.mount_namespace = space.get();
  Daemon brain = controller(layout, programs, record);
  brain.mount_namespace = space.get();
  Daemon agent_keeper = storage_agent_keeper(layout, programs);
  agent_keeper.mount_namespace = space.get();
  TRY(ensure_started(layout, nfs));
  TRY(ensure_started(layout, brain));
  TRY(end_orphans(layout, agent_keeper.name, Layout{layout.node(kStorageAgent)}));
  TRY(ensure_started(layout, agent_keeper));
  TRY(await_ready(layout, nfs));
  TRY(await_ready(layout, agent_keeper));
  TRY(await_ready(layout, brain));
  return ensure_started(layout, storage_agent(layout, programs, record));
}

// What served a node's mounts is given up: nobody takes them over any more, so the whole node starts anew.
Status end_node_without_files(const Layout& layout, const std::string& node) {
  const std::string lost = why_files_are_lost(layout, node);
  if (lost.empty()) return ok();
  const Ended ended = TRY(end_members(
      Layout{layout.node(node)},
      fmt::format("devrun-fs of {} had ended, and with it the files of its jobs: {}", node, lost)));
  say("devrun-fs of {} had ended: {} starts anew, {} of its jobs ended", node, node,
      ended.attempts);
  return ok();
}

// A devrun-fs that cannot take over what runs (node_files.h) comes with its whole node, and only while nothing runs
// there: `up` ends no job. The agent ends first, so that no job begins while we look; it is started again.
Status renew_idle_node(const Layout& layout, const std::string& node) {
  TRY(ensure_ended(layout, agent_name(node)));
  const Layout members{layout.node(node)};
  const int attempts = running_attempts(members);
  if (attempts > 0) {
    say("{} keeps its devrun-fs, whose mounts this devrun's cannot take over, while {} "
        "job{} run{} there. "
        "Try: devrun up when nothing runs, or devrun down and devrun up, which end what runs",
        node, attempts, attempts == 1 ? "" : "s", attempts == 1 ? "s" : "");
    return ok();
  }
  TRY(end_members(members));
  say("{} ran nothing: it starts anew with the programs that are here now", node);
  return ok();
}

Status start_nodes(const Layout& layout, const Programs& programs, const Record& record) {
  const std::vector<std::string> nodes = record.node_names();
  for (const std::string& node : nodes) {
    TRY(end_node_without_files(layout, node));
    if (!can_take_over(layout, node_fs(layout, programs, record, node))) {
      TRY(renew_idle_node(layout, node));
    }
    TRY(end_orphans(layout, keeper_name(node), Layout{layout.node(node)}));
    TRY(ensure_started(layout, node_keeper(layout, programs, node)));
  }
  std::set<std::string> kept;  // those whose devrun-fs stays as it is
  for (const std::string& node : nodes) {
    TRY(await_ready(layout, node_keeper(layout, programs, node)));
    const Daemon fs = node_fs(layout, programs, record, node);
    if (can_take_over(layout, fs)) {
      TRY(ensure_fs(layout, node, fs));
    } else {
      kept.insert(node);
    }
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!kept.contains(nodes[i])) {
      TRY(await_fs(layout, nodes[i], node_fs(layout, programs, record, nodes[i])));
    }
    TRY(ensure_started(layout,
                       node_agent(layout, programs, record, static_cast<int>(i) + 1, nodes[i])));
  }
  return ok();
}

// Fewer nodes than before: those that went are not to be waited for.
void say_who_left(const UpOptions& options, const Layout& layout, int before, int now) {
  if (!options.node_left) return;
  for (int i = now + 1; i <= before; ++i) {
    options.node_left(layout.client_config(), fmt::format("node{}", i));
  }
}

Status await_agents(const UpOptions& options, const Layout& layout, const Record& record) {
  if (!options.agents_connected) return ok();
  std::vector<std::string> names = record.node_names();
  names.emplace_back(kStorageAgent);
  const bool connected = wait_until(
      kAgentsLimit, [&] { return options.agents_connected(layout.client_config(), names); });
  if (connected) return ok();
  return Error{Code::kUnavailable, "the nodes' agents do not reach the controller",
               fmt::format("cat {}", layout.log_file(agent_name(names.front())))};
}

// Of a cluster that is up those that do not run; of one that is down nothing is missing.
std::vector<std::string> missing_of(const Layout& layout, const std::vector<Daemon>& daemons) {
  std::vector<std::string> out;
  for (const Daemon& daemon : daemons) {
    if (!is_running(layout, daemon.name)) out.push_back(daemon.name);
  }
  return out.size() == daemons.size() ? std::vector<std::string>() : out;
}

struct Begun {
  bool found = false;  // by commands that are told nothing
};

Result<Begun> bring_up_locked(const UpOptions& options, const Layout& layout,
                              const Programs& programs) {
  const std::optional<Record> before = TRY(load_record(layout));
  Record record = before.value_or(Record{});
  std::vector<std::string> missing;
  if (before) {
    const std::vector<Daemon> daemons = daemons_of(layout, programs, record);
    TRY(adopt_running(layout, daemons));
    missing = missing_of(layout, daemons);
  }
  TRY(choose_nodes(options, layout, record));
  record.output_bytes_max = options.output_bytes_max.value_or(record.output_bytes_max);
  record.gpu_root = options.gpu_root.value_or(record.gpu_root);
  record.cache_bytes = options.cache_bytes.value_or(record.cache_bytes);
  if (!before) {
    record.store_is_image = TRY(shall_be_image(layout.folder, options.driver));
  } else if (options.driver) {
    say("the store keeps its driver; --driver counts when it is made");
  }
  if (record.store_is_image) TRY(ensure_image(layout, options.size_bytes));
  TRY(make_cluster_folders(layout, record));
  TRY(end_orphans(layout, "store.keeper", layout));
  UniqueFd ports = TRY(choose_ports(layout, record, options.new_ports));
  std::vector<std::string> certified = record.node_names();
  certified.emplace_back(kStorageAgent);
  TRY(ensure_keys(layout, certified));
  TRY(save_record(layout, record));
  TRY(start_storage(layout, programs, record));
  ports.reset();
  // Not before it answers there: until then commands go on finding the one that was.
  TRY(write_client_config(layout, fmt::format("127.0.0.1:{}", record.controller_port)));
  TRY(start_nodes(layout, programs, record));
  TRY(await_agents(options, layout, record));
  say_who_left(options, layout, before ? before->nodes : 0, record.nodes);
  if (!missing.empty()) say("started again what had ended: {}", fmt::join(missing, ", "));
  const bool found = TRY(link_client_config(layout));
  const Resources share = node_share(machine_resources(), record.nodes);
  say("cluster in {}: {} node{} of {} core{} and {}, controller at 127.0.0.1:{}", layout.folder,
      record.nodes, record.nodes == 1 ? "" : "s", share.cpu_milli / 1000,
      share.cpu_milli == 1000 ? "" : "s", format_size(share.memory_bytes), record.controller_port);
  if (!found) say("commands find it with: export DEVRUN_CONFIG={}", layout.client_config());
  return Begun{found};
}

// Nothing of a cluster has been made: neither shall there be the lock that we took to try.
void remove_traces(const Layout& layout, bool folder_was_there) {
  std::error_code failed;
  if (std::filesystem::exists(layout.record(), failed)) return;
  std::filesystem::remove(layout.lock(), failed);
  if (!folder_was_there) std::filesystem::remove(layout.folder, failed);
}

Result<Begun> bring_up(const UpOptions& options, const Layout& layout) {
  TRY(check_not_installed(layout, kConfigurations));
  TRY(require_needs(check_needs()));
  const Programs programs = TRY(find_programs());
  std::error_code failed;
  const bool folder_was_there = std::filesystem::exists(layout.folder, failed);
  TRY(make_folders(layout.folder, 0755));
  const UniqueFd lock = TRY(lock_cluster(layout));
  Result<Begun> begun = bring_up_locked(options, layout, programs);
  if (!begun) remove_traces(layout, folder_was_there);
  return begun;
}

// What to do with the cluster, in words that find it.
std::string next_step(const UpOptions& options, const Layout& layout, bool found) {
  const std::string where =
      found ? "" : fmt::format("export DEVRUN_CONFIG={}; ", layout.client_config());
  const std::vector<std::string> volumes =
      options.volumes ? options.volumes(layout.client_config()) : std::vector<std::string>();
  if (!volumes.empty()) return fmt::format("{}devrun shell {}", where, volumes.front());
  return where + "devrun volume create dev --from-debootstrap bookworm, then devrun shell dev";
}

}  // namespace

int run_up(const UpOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  const Result<Layout> layout = layout_of(options.folder);
  if (!layout) return say_error(layout.error());
  const Result<Begun> begun = bring_up(options, *layout);
  if (!begun) return say_error(begun.error());
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  say("up in {}. Try: {}", format_duration(Duration{took.count()}),
      next_step(options, *layout, begun->found));
  return 0;
}

}  // namespace devrun::cluster
