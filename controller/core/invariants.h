// What must hold of every state that the core can reach, whatever the inputs. For tests and
// simulation.
#pragma once

#include <string>
#include <vector>

#include "controller/core/state.h"

namespace devrun::controller {

// One sentence per broken rule; empty if all hold.
std::vector<std::string> broken_invariants(const Ledger& ledger);

}  // namespace devrun::controller
