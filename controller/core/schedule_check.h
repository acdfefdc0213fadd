// What must hold of a schedule that has been told everything and asked until it had no more placements. For tests and
// simulations: it looks at everything.
#pragma once

#include <string>
#include <vector>

#include "controller/core/state.h"

namespace devrun::controller {

// A sentence for each thing that is wrong. Above all: what it knows is what a schedule that was made anew would know, and no
// job waits that could start without delaying one ahead of it.
std::vector<std::string> schedule_problems(const State& state, Time now);

}  // namespace devrun::controller
