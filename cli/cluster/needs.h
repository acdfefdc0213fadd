// What a machine must have to be a one-machine cluster, and the command that brings each missing
// thing. `doctor` prints the list; `up` refuses to start on the first missing thing of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::cluster {

struct Need {
  std::string name;  // "crun", "btrfs in the kernel"
  std::string purpose;
  bool present = false;
  bool required = true;
  std::string mend;       // a command
  bool of_store = false;  // where the store is, not on each node
};
std::vector<Need> check_needs();
// What a machine with NVIDIA's driver needs besides; nullopt: no such driver is loaded below `driver_root`.
std::optional<Need> gpu_need(const std::string& driver_root);

// The first required thing that is missing, as an error with its command as hint.
Status require_needs(const std::vector<Need>& needs);

// `name` beside the running program, else in PATH, else in the folders where Debian keeps programs
// for root.
Result<std::string> find_program(const std::string& name);

}  // namespace devrun::cluster
