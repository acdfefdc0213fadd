// A whole cluster on this machine: what `devrun up`, `devrun down` and `devrun doctor` do. The
// commands parse the flags and call these; each returns the exit status of the contract (0, 125)
// and speaks for itself: results on stdout, talk on stderr with `devrun: ` in front.
//
// `up` does only what is missing, so it also mends a half-failed or half-killed cluster; `down`
// ends whatever of it is left. Both know processes by (pid, start time) from CLUSTER/run/*.pid, so
// that a reused pid is never signalled. Blocking; to be called with one thread (they fork and enter
// namespaces).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace devrun::cluster {

inline constexpr const char* kDefaultFolder = "/var/lib/devrun";
inline constexpr int kNodesMax = 64;

// kScan: on the folder's own file system, as it is.
enum class StoreDriver { kBtrfs, kScan };

struct UpOptions {
  std::string folder;                  // --store; empty: the default
  std::optional<int> nodes;            // --nodes; unset: as many as before, one at first
  std::optional<int64_t> cache_bytes;  // --cache of each node; unset: as it was
  std::optional<int64_t> size_bytes;   // --size of the btrfs image; unset: chosen from what is free
  // --driver: how volumes are kept. Unset: btrfs, in an image unless the folder is on btrfs.
  std::optional<StoreDriver> driver = {};
  std::optional<int64_t> output_bytes_max = {};  // --output-max of a job's output; unset: as before
  bool new_ports = false;  // --new-ports: what does not run may serve at other ports than before
  std::optional<std::string> gpu_root = {};  // --gpu-root; unset: as before, / at first
  // Whether every named agent is connected, asked of the controller with CLUSTER/config.yaml.
  // Called again until it says yes or time is up. Not set: not waited for.
  std::function<bool(const std::string& config_path, const std::vector<std::string>& agents)>
      agents_connected;
  // The names of the volumes there are; asked as above. Not set: none.
  std::function<std::vector<std::string>(const std::string& config_path)> volumes = {};
  // That a node which this cluster has no more will not come back, if the controller knows it. Not set: nobody says so.
  std::function<void(const std::string& config_path, const std::string& node)> node_left = {};
};
int run_up(const UpOptions& options);

struct DownOptions {
  std::string folder;  // --store; empty: the default
  bool purge =
      false;  // --purge: remove the store and all state too, after the folder's name has been typed
  bool yes = false;  // --yes: without asking
};
int run_down(const DownOptions& options);

struct DoctorOptions {
  bool of_node = false;        // of a cluster of several machines: the store is elsewhere
  int found_missing = 0;       // by the caller, who has said it
  bool gpus = false;           // --gpu: only try the GPUs
  std::string gpu_root = "/";  // --gpu-root
};
int run_doctor(const DoctorOptions& options);

}  // namespace devrun::cluster
