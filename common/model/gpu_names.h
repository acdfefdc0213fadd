// GPU types by the names that people write: case does not matter, and what differs only in form
// factor is one type.
#pragma once

#include <string>
#include <string_view>

namespace devrun {

// "v100" → "V100", "h100-sxm" → "H100"; a name that is not known stays as it is.
std::string canonical_gpu_type(std::string_view name);

// The type of a GPU by its name in the driver's words: "NVIDIA A100-SXM4-80GB" is an A100-80GB. A name that nobody knows is
// its own type, with dashes for spaces.
std::string gpu_type_of(std::string_view name);

}  // namespace devrun
