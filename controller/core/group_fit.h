// Whether the jobs of a group, which begin together, find room beside each other: each is placed by itself, and one of a group
// that is too large for the cluster would wait for what the others hold, for ever. For people: nothing is decided by it.
#pragma once

#include <string>

#include "controller/core/state.h"

namespace devrun::controller {

// Which member finds none, in a sentence, if all nodes had nothing but the group on them; empty: all do, or it is not known yet
// who belongs to it. Members that are placed stay where they are; the others are put one after the other, the largest first,
// which may miss a way to put many of different sizes.
std::string beside_itself(const State& state, const Job& job);

}  // namespace devrun::controller
