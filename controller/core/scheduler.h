// Which waiting tasks start now, and where; and, from the same predicates, why the others wait.
//
// By priority, then by job number; first fit over the connected nodes in the order of their names.
// A task that finds no room does not hold up smaller ones behind it. A gang (nodes > 1) is placed
// whole or not at all, each rank on a node of its own. A node that takes dev containers takes
// nothing else.
#pragma once

#include <string>
#include <vector>

#include "controller/core/state.h"

namespace devrun::controller {

struct Placement {
  TaskKey task;
  uint32_t attempt = 1;
  std::vector<std::string> nodes;                // by rank
  std::vector<std::vector<uint32_t>> gpus = {};  // by rank, by index; empty: none asked for
};

std::vector<Placement> plan(const State& state, Time now);
// The trees that must be made before what waits can be placed, and are not being made.
std::vector<Deriving> roots_wanted(const State& state);

// One sentence for people: why the job's next task is not placed; empty if nothing of it waits.
std::string explain(const State& state, const Job& job, Time now);
// Of a task that waits: between two attempts also how the last one ended.
std::string explain_task(const State& state, const Job& job, const Task& task, Time now);

}  // namespace devrun::controller
