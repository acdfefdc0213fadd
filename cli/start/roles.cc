#include "cli/start/roles.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "cli/cluster/client_config.h"
#include "cli/cluster/ending.h"
#include "cli/cluster/lock.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/node_files.h"
#include "cli/cluster/say.h"
#include "cli/start/plans.h"
#include "cli/start/whole_node.h"
#include "common/base/units.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/file.h"
#include "common/runtime/refused_clients.h"
#include "common/runtime/store_place.h"

namespace devrun::start {

using cluster::Layout;
using cluster::Programs;

namespace {

constexpr Duration kKeeperLimit = seconds(15);

// Those that are named: a node has neither controller nor NFS server.
Result<Programs> programs_of(std::initializer_list<std::string Programs::*> needed) {
  static constexpr std::pair<std::string Programs::*, const char*> kNames[] = {
      {&Programs::keeper, "devrun-keeper"}, {&Programs::controller, "devrun-controller"},
      {&Programs::agent, "devrun-agent"},   {&Programs::fs, "devrun-fs"},
      {&Programs::shim, "devrun-shim"},     {&Programs::gpus, "devrun-gpus"},
      {&Programs::devrun, "devrun"},        {&Programs::ganesha, "ganesha.nfsd"}};
  Programs out;
  for (const auto member : needed) {
    for (const auto& [known, name] : kNames) {
      if (known == member) out.*member = TRY(cluster::find_program(name));
    }
  }
  return out;
}

Status make_state_folders(const Layout& layout) {
  TRY(make_folders(layout.folder, 0755));
  return make_folders(layout.run(), 0700);
}

// What lives in a namespace whose keeper has ended has lost its files, or will: nobody takes those over.
Result<Program> clear_of(const Layout& layout, const std::string& name) {
  const std::string keeper = cluster::keeper_name(name);
  const cluster::Ended ended = TRY(cluster::end_members(
      Layout{layout.node(name)}, fmt::format("{} had ended, and all that ran below it", keeper)));
  if (ended.processes > 0) {
    cluster::say("{} has ended: so have {} of its processes, {} jobs among them", keeper,
                 ended.processes, ended.attempts);
  }
  return Program{};
}

// ── the controller's machine ──

// Keys and what others are told. `controller` and `storage` both do it, in whatever order they start.
Status make_ready(const ControllerConfig& config, const Layout& layout) {
  TRY(make_state_folders(layout));
  TRY(make_folders(layout.controller(), 0700));
  const UniqueFd lock = TRY(cluster::lock_cluster(layout));
  TRY(cluster::ensure_keys(layout, {cluster::kStorageAgent}, certified_hosts(config)));
  TRY(write_file_atomically(node_settings_file(config), node_settings(config), 0600));
  return cluster::write_client_config(layout, local_endpoint(config));
}

// Every user of this machine could read the bodies of all volumes. Whatever server of somebody else's exports them, it may have to
// walk there as nobody: then it is the administrator's to close.
Status make_store(const ControllerConfig& config) {
  if (!config.nfs.listen_address.empty()) return make_private_folder(config.store);
  return make_folders(config.store, 0755);
}

Result<Program> controller_role(const std::string& file) {
  const ControllerConfig config = TRY(read_controller_config(file));
  const Programs programs = TRY(programs_of({&Programs::controller}));
  const Layout layout{config.state};
  TRY(make_store(config));
  TRY(make_ready(config, layout));
  return Program{cluster::controller_daemon(layout, programs, controller_plan(config)).words};
}

Result<Program> nfs_role(const std::string& file) {
  const ControllerConfig config = TRY(read_controller_config(file));
  if (config.nfs.listen_address.empty()) {
    cluster::say("{} names an NFS server that is there already: none is started", file);
    return Program{};
  }
  const Programs programs = TRY(programs_of({&Programs::ganesha}));
  const Layout layout{config.state};
  TRY(make_state_folders(layout));
  TRY(make_store(config));
  TRY(make_folders(config.store + "/export", 0755));
  TRY(make_folders(layout.nfs() + "/recovery", 0700));
  const RefusedClients refused =
      TRY(read_refused_clients(refused_clients_file(layout.controller())));
  const std::string text =
      with_refused_clients(cluster::ganesha_config(ganesha_plan(config)), refused);
  TRY(write_file_atomically(layout.nfs() + "/ganesha.conf", text, 0600));
  return Program{cluster::ganesha_words(programs.ganesha, layout.nfs()),
                 cluster::ganesha_environment(layout.nfs())};
}

// Where somebody wants no dev containers, the services have nothing to do.
bool without_dev_containers(const ControllerConfig& config, const std::string& file) {
  if (config.dev_containers) return false;
  cluster::say("{} says dev_containers: false", file);
  return true;
}

Result<Program> storage_keeper_role(const std::string& file) {
  const ControllerConfig config = TRY(read_controller_config(file));
  if (without_dev_containers(config, file)) return Program{};
  const Programs programs = TRY(programs_of({&Programs::keeper}));
  const Layout layout{config.state};
  TRY(make_state_folders(layout));
  TRY(make_private_folder(layout.nodes()));
  TRY(make_folders(layout.node(cluster::kStorageAgent), 0700));
  return Program{cluster::keeper_daemon(layout, programs, cluster::kStorageAgent, {}, false).words};
}

Result<Program> storage_clear_role(const std::string& file) {
  const ControllerConfig config = TRY(read_controller_config(file));
  return clear_of(Layout{config.state}, cluster::kStorageAgent);
}

Status await_keeper(const Layout& layout, const std::string& name) {
  const cluster::Daemon keeper = cluster::keeper_daemon(layout, {}, name, {}, false);
  if (cluster::wait_until(kKeeperLimit, keeper.ready)) return ok();
  return Error{Code::kUnavailable, fmt::format("{} does not answer", keeper.name),
               "systemctl status devrun-keeper"};
}

Result<Program> storage_role(const std::string& file) {
  const ControllerConfig config = TRY(read_controller_config(file));
  if (without_dev_containers(config, file)) return Program{};
  const Programs programs =
      TRY(programs_of({&Programs::agent, &Programs::shim, &Programs::devrun}));
  const Layout layout{config.state};
  TRY(make_ready(config, layout));
  TRY(make_store(config));
  TRY(make_folders(config.store + "/volumes", 0755));
  TRY(await_keeper(layout, cluster::kStorageAgent));
  return Program{cluster::agent_daemon(layout, programs, storage_agent_plan(config)).words};
}

// ── a node ──

Result<Program> keeper_role(const std::string& file) {
  const NodeConfig config = TRY(read_node_config(file));
  const Programs programs = TRY(programs_of({&Programs::keeper}));
  const Layout layout{config.state};
  TRY(make_state_folders(layout));
  TRY(make_private_folder(layout.nodes()));
  TRY(make_folders(layout.node(config.name) + "/fs/plain", 0755));
  TRY(make_folders(layout.node(config.name) + "/fs/xattr", 0755));
  return Program{cluster::keeper_daemon(layout, programs, config.name, {}, true).words};
}

Result<Program> clear_role(const std::string& file) {
  const NodeConfig config = TRY(read_node_config(file));
  return clear_of(Layout{config.state}, config.name);
}

// What cannot be mended here is no error: the agent starts all the same, and says that the node is broken.
Result<Program> files_role(const std::string& file) {
  const NodeConfig config = TRY(read_node_config(file));
  const Programs programs = TRY(programs_of({&Programs::fs, &Programs::keeper}));
  const Layout layout{config.state};
  const cluster::Daemon files =
      cluster::files_daemon(layout, programs, config.name, files_plan(config));
  TRY(await_keeper(layout, config.name));
  // By pid files is told what runs, and nobody has written the keeper's.
  TRY(cluster::adopt_running(
      layout, {files, cluster::keeper_daemon(layout, programs, config.name, {}, true)}));
  const std::string lost = cluster::why_files_are_lost(layout, config.name);
  if (!lost.empty()) {
    cluster::say("the files of this node's jobs are lost: {}. Try: systemctl restart devrun-keeper",
                 lost);
    return Program{};
  }
  if (!cluster::can_take_over(layout, files)) {
    cluster::say(
        "devrun-fs stays as it is: this version's cannot take over its mounts. Try: devrun nodes "
        "drain {} upgrade, and when nothing runs there, systemctl restart devrun-keeper here",
        config.name);
    return Program{};
  }
  TRY(cluster::ensure_fs(layout, config.name, files));
  TRY(cluster::await_fs(layout, config.name, files));
  return Program{};
}

// The agent would dial for ever. One that cannot be read is the agent's to name.
Status check_validity(const std::string& certificate, const std::string& file,
                      const std::string& node) {
  const Result<Validity> validity = validity_of(certificate);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t now_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  if (!validity || validity->until.us > now_us) return ok();
  return Error{
      Code::kDenied,
      fmt::format("the certificate of {} in {} is over since {}", node, file,
                  format_duration({now_us - validity->until.us})),
      fmt::format("devrun nodes add {} on the controller's machine, and here the line that "
                  "it prints",
                  node)};
}

Result<Program> agent_role(const std::string& file) {
  const NodeConfig config = TRY(read_node_config(file));
  const Programs programs =
      TRY(programs_of({&Programs::agent, &Programs::shim, &Programs::devrun, &Programs::gpus}));
  const std::string identity = identity_file(config.state, config.name);
  const Result<std::string> certificate = read_file(identity);
  if (!certificate) {
    return Error{
        Code::kNotFound,
        fmt::format("{} is not there: {} has not joined the cluster", identity, config.name),
        fmt::format("devrun nodes add {} on the controller's machine, and here the line "
                    "that it prints",
                    config.name)};
  }
  TRY(check_validity(*certificate, identity, config.name));
  TRY(await_keeper(Layout{config.state}, config.name));
  return Program{cluster::agent_daemon(Layout{config.state}, programs, agent_plan(config)).words};
}

// Returns when the node has left.
Result<Program> node_role(const std::string& file) {
  const NodeConfig config = TRY(read_node_config(file));
  TRY(run_whole_node(config, file));
  return Program{};
}

constexpr std::array kRoles = {
    Role{"nfs", "the NFS server of the store", kControllerConfigFile, nfs_role},
    Role{"controller", "the controller", kControllerConfigFile, controller_role},
    Role{"storage-keeper", "the namespace of dev containers", kControllerConfigFile,
         storage_keeper_role},
    Role{"storage-clear", "ends all dev containers: what is left when their keeper has ended",
         kControllerConfigFile, storage_clear_role},
    Role{"storage", "the agent of dev containers", kControllerConfigFile, storage_role},
    Role{"keeper", "the namespace of a node's jobs", kNodeConfigFile, keeper_role},
    Role{"clear", "ends all jobs of this node: what is left when its keeper has ended",
         kNodeConfigFile, clear_role},
    Role{"files", "has the keeper run devrun-fs, this version of it, and ends", kNodeConfigFile,
         files_role},
    Role{"agent", "a node's agent", kNodeConfigFile, agent_role},
    Role{"node", "all of these, for places without systemd; told to end, the node leaves",
         kNodeConfigFile, node_role}};

}  // namespace

std::span<const Role> roles() {
  return kRoles;
}

Status check_config(const Role& role, const std::string& file) {
  if (role.config == kNodeConfigFile) {
    TRY(read_node_config(file));
    return ok();
  }
  const ControllerConfig config = TRY(read_controller_config(file));
  const Status place = check_store_place(config.store);
  if (place) return ok();
  return Error(place.error()).context(file + ": store");
}

}  // namespace devrun::start
