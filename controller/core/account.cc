#include "controller/core/account.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/model/fits.h"
#include "common/model/resources.h"

namespace devrun::controller {

namespace {

constexpr double kMemoryUnit = 8.0 * (1LL << 30);
constexpr double kGpuWeight = 16;

double per_second(Duration half_life) {
  return std::numbers::ln2 / (static_cast<double>(half_life.us) / 1e6);
}

double seconds_between(Time from, Time to) {
  return from < to ? static_cast<double>((to - from).us) / 1e6 : 0;
}

// Of something that ran at `rate` from `from` to `to`, as it counts at `at`.
double decayed(double rate, Time from, Time to, Time at, Duration half_life) {
  const double l = per_second(half_life);
  const double ran = -std::expm1(-l * seconds_between(from, to)) / l;
  return rate * ran * std::exp(-l * seconds_between(to, at));
}

}  // namespace

double weight(const JobSpec& spec) {
  const Resources need = taken_by(spec);
  const double one = static_cast<double>(need.cpu_milli) / 1000 +
                     static_cast<double>(need.memory_bytes) / kMemoryUnit +
                     kGpuWeight * gpus_held(need);
  return one * spec.nodes;
}

double usage_at(const Account& account, Time at, Duration half_life) {
  const double l = per_second(half_life);
  const double past = seconds_between(account.as_of, at);
  return account.usage * std::exp(-l * past) - account.rate * std::expm1(-l * past) / l;
}

void change_rate(Account& account, Time at, double by, Duration half_life) {
  account.usage = usage_at(account, at, half_life);
  account.as_of = std::max(account.as_of, at);
  account.rate = std::max(account.rate + by, 0.0);
}

double usage_of(const Job& job, Time at, Duration half_life) {
  const double rate = weight(job.spec);
  double out = 0;
  for (const auto& [index, task] : job.tasks) {
    for (const PastAttempt& past : task.past) {
      out += decayed(rate, past.placed, past.ended, at, half_life);
    }
    if (!is_placed(task)) continue;
    out += decayed(rate, task.placed, task.outcome ? task.outcome->at : at, at, half_life);
  }
  return out;
}

}  // namespace devrun::controller
