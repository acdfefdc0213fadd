#include "controller/core/use.h"

#include <algorithm>

#include "common/model/fits.h"
#include "common/model/resources.h"

namespace devrun::controller {

namespace {

double hours(Time from, Time to) {
  return from < to ? static_cast<double>((to - from).us) / 3.6e9 : 0;
}

// Of one attempt of all ranks.
void add_attempt(const JobSpec& spec, const std::vector<Rank>& ranks, Time from, Time to,
                 Time since, Use& out) {
  const double counted = hours(std::max(from, since), to);
  const double all = hours(from, to);
  if (counted <= 0) return;
  out.core_hours += counted * spec.nodes * static_cast<double>(spec.per_node.cpu_milli) / 1000;
  out.gpu_hours += counted * spec.nodes * gpus_held(spec.per_node);
  for (const Rank& rank : ranks) {
    if (!rank.usage) continue;
    out.cpu_hours_used += static_cast<double>(rank.usage->cpu.us) / 3.6e9 * counted / all;
  }
}

}  // namespace

void add_use(const Job& job, Time since, Time now, UseByOwner& out) {
  if (lives_on_storage_host(job.spec)) return;
  Use use;
  use.jobs = 1;
  for (const auto& [index, task] : job.tasks) {
    for (const PastAttempt& past : task.past) {
      add_attempt(job.spec, past.ranks, past.placed, past.ended, since, use);
    }
    if (!is_placed(task)) continue;
    const Time end = task.outcome ? task.outcome->at : now;
    add_attempt(job.spec, task.ranks, task.placed, end, since, use);
  }
  if (use.core_hours == 0 && use.gpu_hours == 0) return;
  Use& sum = out[{job.spec.user, job.spec.root.volume}];
  sum.jobs += use.jobs;
  sum.core_hours += use.core_hours;
  sum.gpu_hours += use.gpu_hours;
  sum.cpu_hours_used += use.cpu_hours_used;
}

}  // namespace devrun::controller
