#include "bench/sched_quality/workload.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace devrun::bench {

namespace {

constexpr double kDay = 86'400;
// Median 206 s, mean 6,652 s (Hu et al., GPU jobs): a lognormal of these.
constexpr double kMedian = 206;
constexpr double kSigma = 2.64;
constexpr double kRunsAtMost = 3 * kDay;
constexpr double kRunsAtLeast = 5;
constexpr double kBurst = 0.5;  // chance that another of the same comes within seconds
constexpr double kSaysItsLimit = 0.7;

uint32_t some_gpus(std::mt19937_64& random, uint32_t most) {
  // 1, 2, 4, 8, 16, 32, 64: single ones prevail, as in both papers.
  const double x = std::uniform_real_distribution<>(0, 1)(random);
  const double at_most[] = {0.60, 0.72, 0.83, 0.94, 0.975, 0.992, 1.0};
  for (uint32_t i = 0; i < std::size(at_most); ++i) {
    if (x <= at_most[i]) return std::min(1U << i, most);
  }
  return 1;
}

// Twice as many by day as by night.
bool is_quiet(double at_s, std::mt19937_64& random) {
  const double day = 0.75 - 0.25 * std::cos(2 * std::numbers::pi * at_s / kDay);
  return std::uniform_real_distribution<>(0, 1)(random) > day;
}

}  // namespace

std::vector<SampleJob> make_jobs(const Cluster& cluster, double span_s, double load,
                                 uint64_t seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<> runs(std::log(kMedian), kSigma);
  std::uniform_real_distribution<> any(0, 1);
  const double wanted = load * span_s * static_cast<double>(cluster.gpus());
  std::vector<SampleJob> out;
  double asked = 0;
  while (asked < wanted) {
    const double at = any(random) * span_s;
    if (is_quiet(at, random)) continue;
    SampleJob job;
    job.submitted_s = at;
    // A user's rank decides how much they submit (Zipf).
    job.user = static_cast<uint32_t>(std::pow(kUsers, any(random))) - 1;
    const uint32_t gpus = some_gpus(random, static_cast<uint32_t>(cluster.gpus() / 4));
    job.nodes = std::max(gpus / cluster.gpus_per_node, 1U);
    job.gpus = std::min(gpus, cluster.gpus_per_node);
    do {
      job.runs_s = std::clamp(runs(random), kRunsAtLeast, kRunsAtMost);
      job.limit_s = 0;
      if (any(random) < kSaysItsLimit) {
        // People round up, and up again.
        const double said = job.runs_s * (1.2 + 4 * any(random));
        job.limit_s = std::ceil(said / 600) * 600;
      }
      out.push_back(job);
      asked += job.runs_s * static_cast<double>(job.all_gpus());
      job.submitted_s += 1 + 10 * any(random);
    } while (any(random) < kBurst && job.submitted_s < span_s);
  }
  std::sort(out.begin(), out.end(),
            [](const SampleJob& a, const SampleJob& b) { return a.submitted_s < b.submitted_s; });
  return out;
}

}  // namespace devrun::bench
