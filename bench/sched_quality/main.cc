// Whether the scheduler places well: one week of made-up jobs (workload.h), placed by devrun's own core and by others
// (policies.h). Virtual time, one thread, the same for a seed on every machine. Prints a table, then JSON.
//
//   bench_sched_quality [SEED] [LOAD]        1, 0.95
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

#include "bench/sched_quality/policies.h"

namespace devrun::bench {
namespace {

constexpr double kSpan = 7 * 86'400;
constexpr double kSlowdownOver = 600;  // of shorter jobs a wait is no multiple of their run

struct Figures {
  double utilisation = 0;  // GPU time used within the week, of all
  double wait_mean = 0;
  double wait_p95 = 0;
  double large_wait_mean = 0;  // of jobs with 16 GPUs and more
  double turnaround = 0;
  double fairness = 0;  // Jain's index of the users' mean bounded slowdowns
};

Figures figures_of(const Cluster& cluster, const std::vector<SampleJob>& jobs,
                   const std::vector<double>& starts) {
  Figures out;
  std::vector<double> waits;
  std::map<uint32_t, std::pair<double, size_t>> of_user;
  size_t large = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const SampleJob& job = jobs[i];
    const double wait = starts[i] - job.submitted_s;
    waits.push_back(wait);
    out.turnaround += wait + job.runs_s;
    const double used = std::min(starts[i] + job.runs_s, kSpan) - std::min(starts[i], kSpan);
    out.utilisation += used * static_cast<double>(job.all_gpus());
    if (job.all_gpus() >= 16) {
      out.large_wait_mean += wait;
      ++large;
    }
    const double slowdown = (wait + job.runs_s) / std::max(job.runs_s, kSlowdownOver);
    of_user[job.user].first += std::max(slowdown, 1.0);
    ++of_user[job.user].second;
  }
  const auto n = static_cast<double>(jobs.size());
  for (const double wait : waits) out.wait_mean += wait / n;
  std::sort(waits.begin(), waits.end());
  out.wait_p95 = waits[waits.size() * 95 / 100];
  out.turnaround /= n;
  out.large_wait_mean /= static_cast<double>(std::max<size_t>(large, 1));
  out.utilisation /= kSpan * static_cast<double>(cluster.gpus());
  double sum = 0;
  double squares = 0;
  for (const auto& [user, of] : of_user) {
    const double mean = of.first / static_cast<double>(of.second);
    sum += mean;
    squares += mean * mean;
  }
  out.fairness = sum * sum / (static_cast<double>(of_user.size()) * squares);
  return out;
}

int run(uint64_t seed, double load) {
  const Cluster cluster;
  const std::vector<SampleJob> jobs = make_jobs(cluster, kSpan, load, seed);
  double asked = 0;
  for (const SampleJob& job : jobs) asked += job.runs_s * static_cast<double>(job.all_gpus());
  const double bound = bound_on_mean_turnaround(cluster, jobs);
  fmt::print("{} jobs of {} users in 7 days on {} nodes with {} GPUs; load {:.2f}, seed {}\n\n",
             jobs.size(), kUsers, cluster.nodes, cluster.gpus_per_node,
             asked / (kSpan * static_cast<double>(cluster.gpus())), seed);
  fmt::print(
      "| placed by | GPUs in use | mean wait | p95 wait | mean wait, 16 GPUs and more | mean "
      "turnaround, of the bound | fairness |\n");
  fmt::print("|---|---|---|---|---|---|---|\n");
  using Policy = std::vector<double> (*)(const Cluster&, const std::vector<SampleJob>&);
  const std::pair<const char*, Policy> policies[] = {
      {"devrun", run_devrun}, {"FIFO", run_fifo}, {"FIFO and backfill (EASY)", run_easy}};
  std::string json;
  for (const auto& [name, policy] : policies) {
    const Figures f = figures_of(cluster, jobs, policy(cluster, jobs));
    fmt::print("| {} | {:.1f} % | {:.1f} min | {:.1f} min | {:.1f} min | {:.2f} | {:.2f} |\n", name,
               100 * f.utilisation, f.wait_mean / 60, f.wait_p95 / 60, f.large_wait_mean / 60,
               f.turnaround / bound, f.fairness);
    json += fmt::format(
        "{}{{\"policy\":\"{}\",\"utilisation\":{:.4f},\"wait_mean_s\":{:.1f},\"wait_p95_s\":{:.1f},"
        "\"large_wait_mean_s\":{:.1f},\"turnaround_of_bound\":{:.3f},\"fairness\":{:.3f}}}",
        json.empty() ? "" : ",", name, f.utilisation, f.wait_mean, f.wait_p95, f.large_wait_mean,
        f.turnaround / bound, f.fairness);
  }
  fmt::print("\n{{\"bench\":\"sched-quality\",\"seed\":{},\"jobs\":{},\"rows\":[{}]}}\n", seed,
             jobs.size(), json);
  return 0;
}

}  // namespace
}  // namespace devrun::bench

int main(int argc, char** argv) {
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const double load = argc > 2 ? std::strtod(argv[2], nullptr) : 0.95;
  return devrun::bench::run(seed, load);
}
