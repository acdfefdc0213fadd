// What a container gets of some GPUs of this machine: their device nodes and those that all share, and the driver's files.
// From the machine's CDI specification if there is one that names them, else found.
#pragma once

#include <string>
#include <vector>

#include "agent/gpu/driver_files.h"
#include "agent/gpu/found.h"
#include "common/base/result.h"

namespace devrun::gpu {

struct DeviceNode {
  std::string path;  // in the container
  char type = 'c';
  uint32_t major = 0;
  uint32_t minor = 0;
  bool operator==(const DeviceNode&) const = default;
};

struct Grant {
  std::vector<DeviceNode> devices;
  std::vector<BoundFile> files;
};

struct Driver {
  std::string root = "/";
  std::vector<FoundGpu> gpus;
};

// `indices` as the driver counts; none: nothing. Looks at the machine each time: a driver may be exchanged while the agent
// runs. kNotFound with what is missing.
Result<Grant> grant_gpus(const Driver& driver, const std::vector<uint32_t>& indices);

}  // namespace devrun::gpu
