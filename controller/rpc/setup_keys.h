// Under which keys a submission's setup step is known (core/setup_once.cc): keyed hashes, since environments hold
// secrets and these stand in journal and store.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "common/model/job.h"
#include "common/runtime/seal.h"
#include "controller/core/state.h"

namespace devrun::controller {

// Types of GPUs that the cluster's nodes have. Core's thread.
std::set<std::string> gpu_types(const State& state);

// None if it has no setup step, or one that is to run in each attempt: its text names what differs there, it has live
// paths, whose files nobody watches, or GPUs of several types could be given to it. `environment` is opened, `gpus` are
// the cluster's.
SetupOnce setup_keys(const JobSpec& spec, std::string_view environment,
                     const std::set<std::string>& gpus, const Sealer& sealer);

}  // namespace devrun::controller
