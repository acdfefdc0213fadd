// The time since boot, suspended or not: what leases are counted by on a node, since nobody sets it.
#pragma once

#include "common/base/time.h"

namespace devrun {

Time boot_clock();

}  // namespace devrun
