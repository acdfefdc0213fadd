#include "controller/rpc/clock.h"

#include <chrono>

namespace devrun::controller {

Time clock_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

}  // namespace devrun::controller
