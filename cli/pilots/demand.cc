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

// Between an allocation's begin and its node's first job, whatever `lead` is.
constexpr Duration kJoining = seconds(60);

// Of one that is not up yet, as far as can be told.
NodeHello expected(NodeHello hello, const JobSpec& spec, const Prospect& prospect) {
  hello.site_paths = prospect.site_paths.value_or(std::vector{needed_site(spec)});
  return hello;
}

bool holds(const Bin& bin, const JobSpec& spec, const Prospect& prospect) {
  const bool may_run = bin.is_up ? may_run_on(bin.hello, spec)
                                 : may_run_on(expected(bin.hello, spec, prospect), spec);
  return may_run && fits(bin.hello, spec.per_node) &&
         !leaves_too_soon(bin.hello.leaves, spec.time_limit, prospect.now) &&
         covers(bin.free, in_thousandths(spec.per_node));
}

const Kind* kind_for(const Policy& policy, const JobSpec& spec, const Prospect& prospect) {
  for (const Kind& kind : policy.kinds) {
    const NodeHello hello = expected(kind.hello(), spec, prospect);
    const bool in_time =
        spec.time_limit.us == 0 || spec.time_limit + std::max(policy.lead, kJoining) <= kind.time;
    if (in_time && may_run_on(hello, spec) && fits(hello, spec.per_node)) return &kind;
  }
  return nullptr;
}

// One rank on each of as many bins; nothing if they cannot be had.
bool place(const Policy& policy, const JobSpec& spec, const Prospect& prospect,
           std::vector<Bin>& bins) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < bins.size() && chosen.size() < spec.nodes; ++i) {
    if (holds(bins[i], spec, prospect)) chosen.push_back(i);
  }
  const size_t missing = spec.nodes - chosen.size();
  const Kind* kind = missing == 0 ? nullptr : kind_for(policy, spec, prospect);
  const auto asked = static_cast<size_t>(
      std::count_if(bins.begin(), bins.end(), [](const Bin& bin) { return bin.of.empty(); }));
  if (missing > 0 && (kind == nullptr || asked + missing > prospect.pilots_left)) return false;
  for (size_t i = 0; i < missing; ++i) {
    chosen.push_back(bins.size());
    bins.push_back(coming(*kind, prospect.now + kind->time, {}));
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

Bin coming(const Kind& kind, Time leaves, const std::string& of) {
  Bin out = bin_of(kind.hello(), {}, of);
  out.hello.leaves = leaves;
  out.kind = kind.name;
  out.is_up = false;
  return out;
}

void fill(const Policy& policy, const std::vector<WaitingJob>& waiting, const Prospect& prospect,
          std::vector<Bin>& bins) {
  for (const WaitingJob& job : waiting) {
    if (job.limited || job.spec.nodes == 0) continue;
    for (uint32_t task = 0; task < std::min(job.tasks, kTasksLookedAt); ++task) {
      if (!place(policy, job.spec, prospect, bins)) break;
    }
  }
}

}  // namespace devrun::pilots
