#include "common/runtime/boot_clock.h"

#include <ctime>

namespace devrun {

Time boot_clock() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return {now.tv_sec * 1'000'000 + now.tv_nsec / 1000};
}

}  // namespace devrun
