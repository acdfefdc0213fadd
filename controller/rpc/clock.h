// The controller's clock: the only place in controller/ that reads one.
#pragma once

#include "common/base/time.h"

namespace devrun::controller {

Time clock_now();

}  // namespace devrun::controller
