// Hours of cores and GPUs that jobs had, or used, since some time: for people who ask who used the cluster. What an attempt
// had is what it asked for, from its placing to its end. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "controller/core/ledger.h"

namespace devrun::controller {

struct Use {
  uint64_t jobs = 0;
  double core_hours = 0;
  double gpu_hours = 0;
  double cpu_hours_used = 0;  // by attempts that have ended, where their nodes could tell
  bool operator==(const Use&) const = default;
};
using UseByOwner = std::map<std::pair<std::string, std::string>, Use>;  // (user, volume)

// Dev containers on the storage host take nothing of a node and count for nothing. An attempt that began before `since` counts from then on; of what it
// used, the same part of it.
void add_use(const Job& job, Time since, Time now, UseByOwner& out);

}  // namespace devrun::controller
