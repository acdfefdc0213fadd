// The storage's one clock.
#pragma once

#include "common/base/time.h"

namespace devrun::storage {

Time clock_now();

}  // namespace devrun::storage
