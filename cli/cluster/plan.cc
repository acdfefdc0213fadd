#include "cli/cluster/plan.h"

#include <fmt/format.h>

#include "common/runtime/unix_socket.h"

namespace devrun::cluster {

namespace {

std::function<bool()> socket_accepts(const std::string& path) {
  return [path] { return connect_unix(path).has_value(); };
}

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
}

// Nothing for what is not said.
void append_if(std::vector<std::string>& words, const char* flag, const std::string& value) {
  if (!value.empty()) append(words, {flag, value});
}

// Cores as people write them: 4, 0.5.
std::string cores(int64_t milli) {
  return milli % 1000 == 0 ? std::to_string(milli / 1000)
                           : fmt::format("{}.{:03}", milli / 1000, milli % 1000);
}

Daemon daemon(const std::string& name, const std::string& key, std::vector<std::string> words) {
  Daemon out;
  out.name = name;
  out.key = key;
  out.words = std::move(words);
  return out;
}

}  // namespace

Daemon controller_daemon(const Layout& layout, const Programs& programs,
                         const ControllerPlan& plan) {
  const KeyFiles keys = key_files(layout, "controller");
  Daemon out = daemon(
      "controller", layout.controller(),
      {programs.controller, "--store", plan.store, "--state", layout.controller(), "--listen",
       plan.listen, "--ca", authority_file(layout), "--cert", keys.certificate, "--key", keys.key});
  append_if(out.words, "--shared-folder", plan.shared_folder);
  append_if(out.words, "--policy", plan.policy);
  append(out.words, plan.more);
  return out;
}

Daemon keeper_daemon(const Layout& layout, const Programs& programs, const std::string& name,
                     const std::string& hidden, bool of_node) {
  const std::string socket = layout.socket(keeper_name(name));
  Daemon out = daemon(keeper_name(name), socket, {programs.keeper, "--socket", socket});
  append_if(out.words, "--hide", hidden);
  const std::string mounts = layout.node(name) + "/fs/";
  if (of_node) {
    append(out.words, {"--fuse", mounts + "plain:plain", "--fuse", mounts + "xattr:xattr"});
  }
  out.replaceable = false;  // the namespace is its life
  out.ready = socket_accepts(socket);
  return out;
}

Daemon files_daemon(const Layout& layout, const Programs& programs, const std::string& node,
                    const FilesPlan& plan) {
  const std::string control = layout.socket(fs_name(node));
  Daemon out = daemon(fs_name(node), control,
                      {programs.fs, "--keeper", layout.socket(keeper_name(node)), "--control",
                       control, "--nfs", plan.nfs, "--state", layout.node(node) + "/fs",
                       "--cache-size", fmt::format("{}", plan.cache_bytes)});
  append_if(out.words, "--cache", plan.cache_folder);
  out.ready = socket_accepts(control);
  return out;
}

Daemon agent_daemon(const Layout& layout, const Programs& programs, const AgentPlan& plan) {
  Daemon out = daemon(agent_name(plan.name), layout.node(plan.name),
                      {programs.agent,
                       "--name",
                       plan.name,
                       "--address",
                       plan.address,
                       "--state",
                       layout.node(plan.name),
                       "--controller",
                       plan.controller,
                       "--ca",
                       plan.authority,
                       "--cert",
                       plan.keys.certificate,
                       "--key",
                       plan.keys.key,
                       "--keeper",
                       layout.socket(keeper_name(plan.name)),
                       "--cgroup",
                       layout.cgroup() + "/" + plan.name,
                       "--shim",
                       programs.shim,
                       "--devrun",
                       programs.devrun});
  if (plan.cpu_milli) append(out.words, {"--cpus", cores(*plan.cpu_milli)});
  if (plan.memory_bytes) append(out.words, {"--memory", std::to_string(*plan.memory_bytes)});
  append_if(out.words, "--nfs", plan.nfs);
  append_if(out.words, "--shared-folder", plan.shared_folder);
  append_if(out.words, "--live", plan.volumes);
  append_if(out.words, "--live-keeper", plan.live_keeper);
  if (plan.output_bytes_max) {
    append(out.words, {"--output-max", std::to_string(*plan.output_bytes_max)});
  }
  if (!plan.of_node) {
    append(out.words, {"--dev-containers"});
  } else {
    append(out.words, {"--fs", layout.socket(fs_name(plan.name))});
  }
  if (plan.of_node && plan.gpus) {
    append(out.words, {"--gpus", programs.gpus, "--gpu-root", plan.gpu_root});
    append_if(out.words, "--gpu-share", plan.gpu_share);
  }
  append(out.words, plan.more);
  return out;
}

}  // namespace devrun::cluster
