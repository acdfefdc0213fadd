#include "controller/storage/clock.h"

#include <ctime>

namespace devrun::storage {

Time clock_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000};
}

}  // namespace devrun::storage
