// Why a job waits, in a sentence, and when it may start: from the schedule's own predicates (schedule.h, rooms.h), so that
// what is said is what holds it. Nothing here decides.
#pragma once

#include <map>
#include <string>

#include "controller/core/shortage.h"
#include "controller/core/state.h"

namespace devrun::controller {

// Whether nodes, and the limits of its user and pool, have room for one task of such a job.
bool has_room(const State& state, const JobSpec& spec, Time now);

// What shapes lack, found in one look at the state and forgotten with it: of thousands of jobs that wait, many are alike.
struct Explained {
  std::map<ShapeId, Shortage> of_shape = {};
};

// One sentence for people: why the job's next task is not placed; empty if nothing of it waits.
std::string explain(const State& state, const Job& job, Time now, Explained* known = nullptr);
// Of a task that waits: between two attempts also how the last one ended.
std::string explain_task(const State& state, const Job& job, const Task& task, Time now,
                         Explained* known = nullptr);

struct Foresight {
  std::string reason;    // empty: it starts at once
  uint64_t place = 0;    // among all tasks that could be placed, from 1; 0: not among them
  Time start;            // as far as time limits tell; 0: not told
  bool never = false;    // not before the cluster changes
  bool limited = false;  // by a limit of its user or pool: more nodes would not help
};
// Of a job that waits.
Foresight foresee(const State& state, const Job& job, Time now);
// The same of one whose place is known already.
Foresight foresee_at(const State& state, const Job& job, uint64_t place, Time now,
                     Explained* known = nullptr);
// Of one that is not submitted: what would be said of it if it were.
Foresight foresee(const State& state, const JobSpec& spec, Time now);

}  // namespace devrun::controller
