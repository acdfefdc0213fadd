// What users have used, and what they use. Use is weighted seconds (a GPU counts for more than a core) and decays by
// half in Policy's half-life, as Slurm's multifactor plugin has it ("half-life decay"): of two users with the same share
// the one who used less lately goes first. In closed form: of what runs at `rate` for a time t,
//
//   usage(t) = (usage(0) - rate / l) * exp(-l t) + rate / l,   l = ln 2 / half-life
//
// so nothing is sampled and an account costs the same however long nothing happens.
#pragma once

#include <cstdint>

#include "common/base/time.h"
#include "common/model/job.h"
#include "controller/core/ledger.h"

namespace devrun::controller {

// Of a user, or of all jobs that ask for one pool.
struct Account {
  double usage = 0;  // weighted seconds, decayed to `as_of`
  double rate = 0;   // the weight of what runs
  Time as_of;
  uint32_t running = 0;   // tasks that are placed and have not ended
  int64_t gpus = 0;       // that these hold
  int64_t cpu_milli = 0;  // likewise
  uint32_t waiting = 0;   // jobs with tasks to place
  bool operator==(const Account&) const = default;
};

// Of one attempt's all ranks. A core counts 1, 8 GiB of memory 1, a GPU 16.
double weight(const JobSpec& spec);

double usage_at(const Account& account, Time at, Duration half_life);
// From `at` on `by` more (or less) runs.
void change_rate(Account& account, Time at, double by, Duration half_life);

// The part that all attempts of the job, until `at`, have in its owner's usage at that time.
double usage_of(const Job& job, Time at, Duration half_life);

}  // namespace devrun::controller
