// The GPUs of this machine, as devrun-gpus (main.cc of this folder) lists them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/node.h"

namespace devrun::gpu {

struct FoundGpu {
  Gpu gpu;
  uint32_t minor = 0;  // /dev/nvidiaMINOR
};

// Lines of devrun-gpus; kCorrupt for anything else.
Result<std::vector<FoundGpu>> parse_gpus(std::string_view lines);

// `driver_root`: where the driver is installed, "/" as a rule. Empty if there is no driver. Blocking; once a start.
Result<std::vector<FoundGpu>> find_gpus(const std::string& program, const std::string& driver_root);

// Part `part` (from 1) of `parts` when several nodes share a machine: each GPU belongs to one of them.
std::vector<FoundGpu> share_of(const std::vector<FoundGpu>& all, uint32_t part, uint32_t parts);

}  // namespace devrun::gpu
