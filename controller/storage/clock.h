// The storage's one clock.
#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace devrun::storage {

Time clock_now();
int64_t clock_ns();  // the same in nanoseconds, as file systems stamp their files
int64_t monotonic_us();

}  // namespace devrun::storage
