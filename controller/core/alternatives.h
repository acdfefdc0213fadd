// Jobs that may ask for one of several things (JobSpec.alternatives), as preferred. One that waits does so as one of them,
// its per_node; it takes another as soon as there is room for that, the first in order that has some: when it could be
// placed for the first time, and then at each tick (JobReshaped). Once a task of it has been placed it keeps what it has.
//
// So the schedule needs to know nothing of alternatives: a job that takes another goes from one shape's queue to the
// other's, with its own place in the order, and may find there that somebody ahead of it takes the room.
#pragma once

#include "common/model/job.h"
#include "controller/core/ledger.h"

namespace devrun::controller {

struct Turn;

bool may_choose(const Job& job);
// What of the job its placement depends on, had it asked for that.
JobSpec asking_for(const JobSpec& spec, const Resources& what);

// Those that could not be placed before: whether one has taken something else, so that there may be more to place.
bool choose_first(Turn& turn);
// Those that wait, some of them in turn if they are many.
void choose_again(Turn& turn);

}  // namespace devrun::controller
