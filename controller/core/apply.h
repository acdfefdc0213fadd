// The fold: the only code that changes a Ledger. A replay does not see all that was ever applied: the events of archived
// jobs are gone, and of each node's NodeJoined the newest is left. So nothing that outlives a job or a hello may be
// made of their events here unless Carried has it, and whatever names a node may be the first to do so.
#pragma once

#include "controller/core/event.h"
#include "controller/core/state.h"

namespace devrun::controller {

void apply(Ledger& ledger, const Event& event);

}  // namespace devrun::controller
