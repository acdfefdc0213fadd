#include "agent/gpu/named.h"

#include <algorithm>

namespace devrun::gpu {

std::vector<FoundGpu> named_of(const std::vector<FoundGpu>& all,
                               const std::vector<std::string>& names) {
  std::vector<FoundGpu> out;
  for (const FoundGpu& found : all) {
    const bool named = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      if (name == found.gpu.uuid) return true;
      return found.gpu.slice.empty() && name == std::to_string(found.gpu.index);
    });
    if (named) out.push_back(found);
  }
  return out;
}

}  // namespace devrun::gpu
