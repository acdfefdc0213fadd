#include "cli/pilots/demand.h"

#include <algorithm>

#include "common/model/fits.h"
#include "common/model/resources.h"

namespace devrun::pilots {

namespace {

// Of an array of many thousands it is enough to look at those that could be served.
constexpr uint32_t kTasksLookedAt = 1000;

Resources in_thousandths(Resources of) {
  of.gpus = of.gpu_milli != 0 ? of.gpu_milli : of.gpus * 1000;
  of.gpu_milli = 0;
  of.gpu_type.clear();
  of.gpu_memory_bytes = 0;
  return of;
}

bool holds(const Bin& bin, const JobSpec& spec) {
  return may_run_on(bin.hello, spec) && fits(bin.hello, spec.per_node) &&
         covers(bin.free, in_thousandths(spec.per_node));
}

const Kind* kind_for(const Policy& policy, const JobSpec& spec) {
  for (const Kind& kind : policy.kinds) {
    const NodeHello hello = kind.hello();
    const bool in_time = spec.time_limit.us == 0 || spec.time_limit + policy.lead <= kind.time;
    if (in_time && may_run_on(hello, spec) && fits(hello, spec.per_node)) return &kind;
  }
  return nullptr;
}

// One rank on each of as many bins; nothing if they cannot be had.
bool place(const Policy& policy, const JobSpec& spec, uint32_t pilots_left,
           std::vector<Bin>& bins) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < bins.size() && chosen.size() < spec.nodes; ++i) {
    if (holds(bins[i], spec)) chosen.push_back(i);
  }
  const size_t missing = spec.nodes - chosen.size();
  const Kind* kind = missing == 0 ? nullptr : kind_for(policy, spec);
  const auto asked = static_cast<size_t>(
      std::count_if(bins.begin(), bins.end(), [](const Bin& bin) { return bin.of.empty(); }));
  if (missing > 0 && (kind == nullptr || asked + missing > pilots_left)) return false;
  for (size_t i = 0; i < missing; ++i) {
    chosen.push_back(bins.size());
    bins.push_back(bin_of(kind->hello(), {}, {}));
    bins.back().kind = kind->name;
  }
  for (const size_t i : chosen) {
    take(bins[i].free, in_thousandths(spec.per_node));
    bins[i].needed = true;
  }
  return true;
}

}  // namespace

Bin bin_of(const NodeHello& hello, const Resources& used, const std::string& of) {
  Bin out{hello, in_thousandths(hello.total), of};
  take(out.free, in_thousandths(used));
  return out;
}

void fill(const Policy& policy, const std::vector<WaitingJob>& waiting, uint32_t pilots_left,
          std::vector<Bin>& bins) {
  for (const WaitingJob& job : waiting) {
    if (job.limited || job.spec.nodes == 0) continue;
    for (uint32_t task = 0; task < std::min(job.tasks, kTasksLookedAt); ++task) {
      if (!place(policy, job.spec, pilots_left, bins)) break;
    }
  }
}

}  // namespace devrun::pilots
