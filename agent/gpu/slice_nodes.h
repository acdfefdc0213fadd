// The two device nodes of nvidia-caps that open a slice: of its GPU instance, and of its compute instance within that.
#pragma once

#include <string>
#include <vector>

#include "agent/gpu/found.h"
#include "common/base/result.h"

namespace devrun::gpu {

struct SliceNode {
  std::string path;        // "/dev/nvidia-caps/nvidia-cap21"
  std::string capability;  // "/proc/driver/nvidia/capabilities/…": what nvidia-modprobe makes it of
};

// kNotFound with what is missing: the driver numbers its capabilities in /proc.
Result<std::vector<SliceNode>> slice_nodes(const std::string& driver_root, const FoundGpu& slice);

}  // namespace devrun::gpu
