// /etc/devrun/agent.yaml: what a node is and whom it belongs to (docs/install.md has each key). The controller hands a part
// of it to nodes that join, as the administrator's defaults.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/start/config_reader.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::start {

inline constexpr const char* kSlurmConfigFile = "/etc/devrun/slurm.yaml";  // of devrun-slurm
inline constexpr const char* kNodeConfigFile = "/etc/devrun/agent.yaml";
inline constexpr const char* kStateFolder = "/var/lib/devrun";

struct SiteMountConfig {
  std::string from;
  std::string to;
  bool read_only = false;
  std::string ids = "user";  // or mapped, container
};

// What may also be a default for all nodes.
struct NodeSettings {
  std::optional<int64_t> cache_bytes = {};
  std::string cache_folder = {};  // empty: in the state folder
  std::optional<int64_t> scratch_bytes = {};
  std::optional<int64_t> output_bytes_max = {};
  std::optional<int64_t> node_paths_bytes = {};
  std::string shared_folder = {};
  std::string live = {};  // where the store's volumes are mounted, for dev containers here
  std::vector<SiteMountConfig> site_mounts = {};
  std::vector<std::string> pools = {};
  std::map<std::string, std::string> labels = {};
  std::optional<Duration> report_every = {};
  std::optional<bool> gpus = {};
  std::string gpu_root = {};
  std::vector<std::string> gpu_devices =
      {};  // these alone, by the driver's number or UUID; empty: all
  std::optional<Duration> leave_on_stop =
      {};  // the grace of what runs when its agent is told to end
};

struct NodeConfig {
  std::string name;
  std::string address;
  std::string controller;        // HOST:PORT
  std::vector<std::string> nfs;  // ADDRESS:PORT[/EXPORT]; the first is preferred
  std::string state = kStateFolder;
  std::optional<int64_t> cpu_milli = {}, memory_bytes = {};
  std::map<std::string, int64_t> resources = {};
  std::optional<int64_t> leaves_at = {};  // seconds since 1970: when the node goes by itself
  NodeSettings settings;
};

// kInvalid: all that is wrong, a line each.
Result<NodeConfig> parse_node_config(const std::string& text, const std::string& file);
Result<NodeConfig> read_node_config(const std::string& file);

// The fields of the part that may be a default.
ConfigReader::Fields settings_fields(ConfigReader& reader, NodeSettings& out);

// ADDRESS:PORT[/EXPORT], an IPv4 address: containers are kept off it by number.
std::optional<std::string> nfs_server(ConfigReader& reader, const YAML::Node& node);

}  // namespace devrun::start
