// What each daemon is told, as plain values, and its command line. `devrun up` plans from cluster.json (machine.cc), the
// services of a cluster of several machines from their configuration files (cli/start): what comes of a plan is the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster/daemon.h"
#include "cli/cluster/keys.h"
#include "cli/cluster/layout.h"
#include "cli/cluster/machine.h"
#include "common/model/job.h"

namespace devrun::cluster {

struct ControllerPlan {
  std::string store;
  std::string listen;  // HOST:PORT
  std::string shared_folder;
  std::string policy;
  std::vector<std::string> more;  // further words
};
Daemon controller_daemon(const Layout& layout, const Programs& programs,
                         const ControllerPlan& plan);

// Of an agent: the namespace that it and all of its attempts are in. Of a node: with FUSE mounts, and without what is
// `hidden`.
Daemon keeper_daemon(const Layout& layout, const Programs& programs, const std::string& name,
                     const std::string& hidden, bool of_node);

struct FilesPlan {
  std::string nfs;  // HOST:PORT[/EXPORT],…
  int64_t cache_bytes = 0;
  std::string cache_folder = {};  // empty: with the node's state
};
Daemon files_daemon(const Layout& layout, const Programs& programs, const std::string& node,
                    const FilesPlan& plan);

struct AgentPlan {
  std::string name;
  std::string address;
  std::string controller;  // HOST:PORT
  std::string authority;   // file
  KeyFiles keys;
  std::optional<int64_t> cpu_milli, memory_bytes;  // unset: the machine's
  std::string nfs;                                 // kept from containers
  std::string shared_folder;
  bool of_node = true;           // false: of dev containers alone, without devrun-fs
  std::string volumes = {};      // where live trees are; empty: not here
  std::string live_keeper = {};  // in whose namespace they are
  bool gpus = true;
  std::string gpu_root = "/";
  std::string gpu_share = {};  // K/N; empty: all
  std::optional<int64_t> output_bytes_max = {};
  std::vector<std::string> more = {};  // further words
};
Daemon agent_daemon(const Layout& layout, const Programs& programs, const AgentPlan& plan);

}  // namespace devrun::cluster
