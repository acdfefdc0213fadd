// The cluster's numbers for metrics, read off the state on the core's thread.
#pragma once

#include "controller/core/state.h"
#include "controller/metrics/exposition.h"

namespace devrun::controller {

// Without samples.
ClusterNumbers cluster_numbers(const State& state, Time now);

}  // namespace devrun::controller
