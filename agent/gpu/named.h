// A node that may have some of its machine's GPUs alone, by name: those of an allocation of somebody else's (docs/slurm.md).
#pragma once

#include <string>
#include <vector>

#include "agent/gpu/found.h"

namespace devrun::gpu {

// Those of these names, each as its driver counts them or by UUID; slices by UUID. Before numbers.h.
std::vector<FoundGpu> named_of(const std::vector<FoundGpu>& all,
                               const std::vector<std::string>& names);

}  // namespace devrun::gpu
