// The fold: the only code that changes a Ledger.
#pragma once

#include "controller/core/event.h"
#include "controller/core/state.h"

namespace devrun::controller {

void apply(Ledger& ledger, const Event& event);

}  // namespace devrun::controller
