// A node as the controller knows it.
#pragma once

#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/job.h"

namespace devrun {

// What an agent says of itself when it dials in. `boot_id` is the kernel's: a new one proves that
// every attempt of the old boot is over.
struct NodeHello {
  std::string name;
  std::string boot_id;
  std::string address;  // where other ranks reach this node
  std::string version;
  std::vector<std::string> features;
  Resources total;
  std::vector<std::string> pools;
  bool dev_containers = false;  // the storage host: takes dev containers and nothing else
  bool operator==(const NodeHello&) const = default;
};

}  // namespace devrun
