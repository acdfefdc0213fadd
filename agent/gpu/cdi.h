// The Container Device Interface: what an administrator, or the vendor's toolkit, has written of how GPUs come into
// containers (/etc/cdi/*.yaml, kind nvidia.com/gpu). Device nodes and files are taken from it. Hooks are not run: what
// they do for libraries, links and the loader's cache, is done by the places where the files are bound (driver_files.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun::gpu {

struct CdiEdits {
  struct Node {
    std::string path;       // in the container
    std::string host_path;  // on the node
  };
  struct Mount {
    std::string host_path;
    std::string container_path;
  };
  std::vector<Node> nodes;
  std::vector<Mount> mounts;
};

struct CdiSpec {
  CdiEdits all;                             // for any device
  std::map<std::string, CdiEdits> devices;  // by name: "0", or a UUID
};

// nullopt-like: `devices` is empty if the text is of another kind. kInvalid with the place for what cannot be read.
Result<CdiSpec> parse_cdi(std::string_view text);

// All files of a node's folders, later ones over earlier ones. Empty if there are none.
Result<CdiSpec> load_cdi(const std::string& driver_root);

}  // namespace devrun::gpu
