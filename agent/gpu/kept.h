// A GPU as a node remembers it over restarts of its agent and of the machine: what it is, and, if it is lost, why (numbers.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/gpu/found.h"

namespace devrun::gpu {

// A line of JSON. Of its facts only those of a GPU that is missing: all others are asked anew.
std::string kept_line(const FoundGpu& found);
// Empty for anything else.
std::optional<FoundGpu> gpu_of_line(std::string_view line);

}  // namespace devrun::gpu
