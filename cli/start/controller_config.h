// /etc/devrun/controller.yaml: the controller's machine (docs/install.md has each key).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/start/node_config.h"

namespace devrun::start {

inline constexpr const char* kControllerConfigFile = "/etc/devrun/controller.yaml";

// The NFS server: ours, or one that is there already and exports STORE/export.
struct NfsConfig {
  std::string listen_address = {};  // of ours; empty: one that is there
  uint16_t listen_port = 0;
  std::vector<std::string> networks = {};  // who may read from ours
  std::vector<std::string> servers = {};   // as nodes reach it: ADDRESS:PORT[/EXPORT]
};

struct ControllerConfig {
  std::string store;
  std::string state = kStateFolder;
  std::string address;                  // the name or address by which nodes know this machine
  std::vector<std::string> names = {};  // others by which it is called
  std::string listen = "0.0.0.0:7443";
  std::string join = "0.0.0.0:7444";  // empty: nobody can join
  NfsConfig nfs;
  std::string policy = {};
  bool dev_containers = true;
  NodeSettings node_defaults = {};
  std::string node_defaults_text = {};  // as it stands in the file
  // Settings whose words are those of devrun-controller's flags: {"--lease", "15m"}, …
  std::vector<std::string> flags = {};

  std::string port_of(const std::string& endpoint) const;
};

Result<ControllerConfig> parse_controller_config(const std::string& text, const std::string& file);
Result<ControllerConfig> read_controller_config(const std::string& file);

}  // namespace devrun::start
