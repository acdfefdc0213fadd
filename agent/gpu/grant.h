// What a container gets of some GPUs of this machine: their device nodes and those that all share, and the driver's files.
// Of a slice: its GPU's node and the two of nvidia-caps that open that slice alone.
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
  std::vector<DeviceNode> devices;  // none: no GPU was asked for
  std::vector<BoundFile> files;
};

struct Driver {
  std::string root = "/";
  std::vector<FoundGpu> gpus;  // numbered
};

// What tells programs which of the container's GPUs are theirs: CUDA_VISIBLE_DEVICES, or ROCR_VISIBLE_DEVICES. The container has no
// others, so that they are numbered from 0; slices go by UUID, since CUDA knows them by nothing else. NAME=VALUE.
std::vector<std::string> gpu_variables(const Driver& driver, const std::vector<uint32_t>& indices);

// With the devices of the network between machines (InfiniBand, GPUDirect), where there are any. `indices`: their numbers; none: nothing. Looks at the machine each time: a driver may be exchanged while the agent
// runs. kNotFound with what is missing.
Result<Grant> grant_gpus(const Driver& driver, const std::vector<uint32_t>& indices);

}  // namespace devrun::gpu
