// devrun-agent's command line. Written by `devrun up` and by systemd units, so it is plain: every flag has a value, but
// --dev-containers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sandbox/sandboxes.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::agent {

struct Flags {
  std::string name;                         // of the node
  std::string address;                      // where other ranks reach it
  std::string state;                        // folder
  std::string controller;                   // HOST:PORT
  std::string ca, certificate, key;         // files
  std::string keeper, fs;                   // sockets
  std::string live;                         // STORE/volumes on the storage host
  std::string cgroup;                       // parent of the attempts' cgroups
  std::string shim, devrun;                 // programs
  std::string gpus;                         // devrun-gpus; empty: the node has none
  std::string driver_root = "/";            // where the GPUs' driver is installed
  uint32_t gpu_part = 1, gpu_parts = 1;     // which of so many shares of the machine's GPUs
  std::string nfs;                          // ADDRESS:PORT of the store, kept from containers
  std::optional<int64_t> output_bytes_max;  // of an attempt's log
  std::optional<int64_t> cpu_milli, memory_bytes;  // the machine's, if not given
  std::vector<std::string> pools;
  std::map<std::string, std::string> labels = {};
  std::map<std::string, int64_t> extras = {};  // what a site counts, by name
  Duration report_every = seconds(10);         // signs of life
  int64_t scratch_bytes = 0;                   // what an attempt may write to disk; 0: no limit
  std::string live_keeper = {};  // socket: in whose mount namespace `live` is; empty: in ours
  std::vector<sandbox::SiteMount> site_mounts = {};
  std::string shared_folder = {};  // of all nodes, for jobs; empty: there is none
  std::optional<int64_t> node_paths_bytes = {};
  std::vector<std::string> gpu_devices =
      {};                     // these alone, by the driver's number or UUID; empty: all
  Time leaves = {};           // when the node goes by itself; 0: nobody says
  Duration leave_grace = {};  // a stop signal means that the node leaves; 0: what runs goes on
  bool dev_containers = false;
  bool help = false;
};

extern const std::string_view kUsage;

Result<Flags> parse_flags(const std::vector<std::string>& words);

}  // namespace devrun::agent
