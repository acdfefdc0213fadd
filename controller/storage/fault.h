// Named moments at which a test ends the process, to see what a crash there leaves. A seam that is
// passed in; empty in the programs.
#pragma once

#include <functional>
#include <string_view>

namespace devrun::storage {

using FaultPoint = std::function<void(std::string_view name)>;

inline void reach(const FaultPoint& fault, std::string_view name) {
  if (fault) fault(name);
}

}  // namespace devrun::storage
