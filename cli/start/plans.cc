#include "cli/start/plans.h"

#include <fmt/format.h>

namespace devrun::start {

using cluster::Layout;

namespace {

constexpr int64_t kCacheBytes = int64_t{20} << 30;

void append(std::vector<std::string>& words, const char* flag, const std::string& value) {
  words.insert(words.end(), {flag, value});
}

// The settings that plans have no fields for.
std::vector<std::string> words_of(const NodeSettings& settings) {
  std::vector<std::string> out;
  if (settings.scratch_bytes) append(out, "--scratch", std::to_string(*settings.scratch_bytes));
  if (settings.node_paths_bytes) {
    append(out, "--node-paths-bytes", std::to_string(*settings.node_paths_bytes));
  }
  for (const SiteMountConfig& mount : settings.site_mounts) {
    append(out, "--site-mount",
           fmt::format("{}:{}{}{}", mount.from, mount.to, mount.read_only ? ":ro" : "",
                       mount.ids == "user" ? "" : fmt::format(":{}-ids", mount.ids)));
  }
  for (const std::string& pool : settings.pools) append(out, "--pool", pool);
  for (const auto& [key, value] : settings.labels) {
    append(out, "--label", fmt::format("{}={}", key, value));
  }
  if (settings.report_every) {
    append(out, "--report-every", fmt::format("{}ms", settings.report_every->us / 1000));
  }
  return out;
}

std::string without_export(const std::string& nfs) {
  return nfs.substr(0, nfs.find('/'));
}

bool listens_here(const std::string& endpoint) {
  return endpoint.starts_with("0.0.0.0:") || endpoint.starts_with("[::]:") ||
         endpoint.starts_with("127.") || endpoint.starts_with("localhost:");
}

}  // namespace

std::string identity_file(const std::string& state, const std::string& node) {
  return fmt::format("{}/{}.pem", Layout{state}.pki(), node);
}

std::string authority_file(const std::string& state) {
  return cluster::authority_file(Layout{state});
}

cluster::AgentPlan agent_plan(const NodeConfig& config) {
  cluster::AgentPlan out;
  out.name = config.name;
  out.address = config.address;
  out.controller = config.controller;
  out.authority = authority_file(config.state);
  const std::string identity = identity_file(config.state, config.name);
  out.keys = {identity, identity};
  out.cpu_milli = config.cpu_milli;
  out.memory_bytes = config.memory_bytes;
  out.nfs = without_export(config.nfs.front());
  out.shared_folder = config.settings.shared_folder;
  out.volumes = config.settings.live;
  out.gpus = config.settings.gpus.value_or(true);
  if (!config.settings.gpu_root.empty()) out.gpu_root = config.settings.gpu_root;
  out.output_bytes_max = config.settings.output_bytes_max;
  out.more = words_of(config.settings);
  if (out.gpus) {
    for (const std::string& device : config.settings.gpu_devices) {
      append(out.more, "--gpu-device", device);
    }
  }
  if (config.settings.leave_on_stop) {
    append(out.more, "--leave-on-stop",
           fmt::format("{}ms", config.settings.leave_on_stop->us / 1000));
  }
  if (config.leaves_at) append(out.more, "--leaves-at", std::to_string(*config.leaves_at));
  for (const auto& [name, amount] : config.resources) {
    append(out.more, "--resource", fmt::format("{}:{}", name, amount));
  }
  return out;
}

cluster::FilesPlan files_plan(const NodeConfig& config) {
  std::vector<std::string> servers;
  for (const std::string& server : config.nfs) {
    servers.push_back(server.find('/') == std::string::npos ? server + "/" : server);
  }
  return {fmt::format("{}", fmt::join(servers, ",")),
          config.settings.cache_bytes.value_or(kCacheBytes), config.settings.cache_folder};
}

std::string local_endpoint(const ControllerConfig& config) {
  if (!listens_here(config.listen)) return config.listen;
  return "127.0.0.1:" + config.port_of(config.listen);
}

std::string public_endpoint(const ControllerConfig& config, const std::string& listen) {
  const bool six = config.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", six ? "[" : "", config.address, six ? "]" : "",
                     config.port_of(listen));
}

std::vector<std::string> certified_hosts(const ControllerConfig& config) {
  std::vector<std::string> out = {config.address};
  out.insert(out.end(), config.names.begin(), config.names.end());
  if (!listens_here(config.listen))
    out.push_back(config.listen.substr(0, config.listen.rfind(':')));
  return out;
}

std::string node_settings_file(const ControllerConfig& config) {
  return Layout{config.state}.controller() + "/node-settings.yaml";
}

std::string node_settings(const ControllerConfig& config) {
  std::string out = fmt::format("nfs: [{}]\n", fmt::join(config.nfs.servers, ", "));
  if (!config.node_defaults_text.empty()) out += config.node_defaults_text + "\n";
  return out;
}

cluster::ControllerPlan controller_plan(const ControllerConfig& config) {
  const Layout layout{config.state};
  cluster::ControllerPlan out;
  out.store = config.store;
  out.listen = config.listen;
  out.shared_folder = config.node_defaults.shared_folder;
  out.policy = config.policy;
  out.more = config.flags;
  append(out.more, "--ca-key", cluster::key_files(layout, "ca").key);
  append(out.more, "--address", public_endpoint(config, config.listen));
  append(out.more, "--node-settings", node_settings_file(config));
  if (!config.nfs.listen_address.empty()) append(out.more, "--nfs-folder", layout.nfs());
  if (config.join.empty()) return out;
  append(out.more, "--join-listen", config.join);
  append(out.more, "--join-address", public_endpoint(config, config.join));
  return out;
}

cluster::AgentPlan storage_agent_plan(const ControllerConfig& config) {
  const Layout layout{config.state};
  cluster::AgentPlan out;
  out.name = cluster::kStorageAgent;
  out.address = config.address;
  out.controller = local_endpoint(config);
  out.authority = authority_file(config.state);
  out.keys = cluster::key_files(layout, cluster::kStorageAgent);
  out.nfs = without_export(config.nfs.servers.front());
  out.shared_folder = config.node_defaults.shared_folder;
  out.of_node = false;
  out.volumes = config.store + "/volumes";
  NodeSettings alike;  // dev containers and jobs see the same site mounts
  alike.site_mounts = config.node_defaults.site_mounts;
  out.more = words_of(alike);
  return out;
}

cluster::GaneshaPlan ganesha_plan(const ControllerConfig& config) {
  cluster::GaneshaPlan out;
  out.address = config.nfs.listen_address;
  out.port = config.nfs.listen_port;
  out.exported = config.store + "/export";
  out.folder = Layout{config.state}.nfs();
  out.networks = config.nfs.networks;
  return out;
}

}  // namespace devrun::start
