// What is known of the GPUs of jobs that run: that one of them has failed, or that none of them does anything.
#pragma once

#include <string>

#include "controller/core/turn.h"

namespace devrun::controller {

// Of a task that runs, for people: its node's words about a GPU of it, or how long they have all been idle; empty: nothing.
std::string say_gpus(const State& state, TaskKey key, const Task& task);

// How an attempt ended, with what had befallen its GPUs, if it failed and that may be why.
ObservedAttempt with_gpu_trouble(const State& state, const std::string& node, const Rank& rank,
                                 const ObservedAttempt& observed);

// Attempts whose GPUs do nothing, all that there are: says so of them, and ends those that policy wants ended.
void gpus_idle(Turn& turn, const GpusIdle& input);

}  // namespace devrun::controller
