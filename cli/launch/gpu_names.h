// GPU types by the names that people write: case does not matter, and what differs only in form
// factor is one type.
#pragma once

#include <string>
#include <string_view>

namespace devrun::launch {

// "v100" → "V100", "h100-sxm" → "H100"; a name that is not known stays as it is.
std::string canonical_gpu_type(std::string_view name);

}  // namespace devrun::launch
