// The controller's core in virtual time: jobs go in as submissions, and what it places ends when the job would.
#include <fmt/format.h>

#include <queue>

#include "bench/sched_quality/policies.h"
#include "common/base/check.h"
#include "controller/core/step.h"

namespace devrun::bench {

namespace {

using controller::Decision;
using controller::Place;
using controller::State;

Time at(double seconds) {
  return {1'000'000'000'000'000 + static_cast<int64_t>(seconds * 1e6)};
}

NodeHello node(uint32_t n, const Cluster& cluster) {
  NodeHello out;
  out.name = fmt::format("n{:03}", n);
  out.boot_id = "boot";
  out.total.cpu_milli = 96'000;
  out.total.memory_bytes = int64_t{1} << 40;
  out.total.gpus = static_cast<int32_t>(cluster.gpus_per_node);
  for (uint32_t i = 0; i < cluster.gpus_per_node; ++i) out.gpus.push_back({i, "H100", "H100", 0});
  return out;
}

JobSpec spec_of(const SampleJob& job) {
  JobSpec out;
  out.user = fmt::format("u{}", job.user);
  out.root.volume = out.user;
  out.program.argv = {"train"};
  out.per_node.cpu_milli = 4000 * int64_t{job.gpus};
  out.per_node.gpus = static_cast<int32_t>(job.gpus);
  out.nodes = job.nodes;
  out.time_limit = {static_cast<int64_t>(job.limit_s * 1e6)};
  return out;
}

class Run {
 public:
  Run(const Cluster& cluster, const std::vector<SampleJob>& jobs) : jobs_(jobs) {
    starts_.assign(jobs.size(), -1);
    for (uint32_t n = 0; n < cluster.nodes; ++n) {
      put(controller::Synchronized{node(n, cluster), n + 1, {}}, 0);
    }
  }

  std::vector<double> to_the_end() {
    size_t next = 0;
    double tick = 0;
    while (next < jobs_.size() || !ends_.empty()) {
      const double submit = next < jobs_.size() ? jobs_[next].submitted_s : 1e18;
      const double end = ends_.empty() ? 1e18 : ends_.top().first;
      const double now = std::min({submit, end, tick});
      if (tick <= now) {
        put(controller::Tick{}, now);
        tick += kTickEvery;
      } else if (end <= submit) {
        finish(ends_.top().second, now);
        ends_.pop();
      } else {
        put(controller::Submit{fmt::format("{}", next), spec_of(jobs_[next]), {}}, now);
        ++next;
      }
    }
    return starts_;
  }

 private:
  // As often as matters to what is decided; a real controller's is once a second.
  static constexpr double kTickEvery = 30;

  void put(const controller::Input& input, double now) {
    note(step(state_, input, at(now)), now);
    note(step(state_, Place{}, at(now)), now);
  }

  void note(const Decision& decision, double now) {
    for (const controller::Event& event : decision.events) {
      const auto* placed = std::get_if<controller::TaskPlaced>(&event.kind);
      if (placed == nullptr) continue;
      const size_t job = placed->task.job - 1;
      starts_[job] = now;
      ends_.push({now + jobs_[job].runs_s, placed->task.job});
    }
  }

  void finish(JobId id, double now) {
    const controller::Task task = *find_task(state_, {id});
    for (uint32_t rank = 0; rank < task.ranks.size(); ++rank) {
      ObservedAttempt observed;
      observed.key = {id, kNoTask, rank, 1};
      observed.phase = Phase::kEnded;
      observed.ending = Ending{EndCause::kExited, 0, {}, {}};
      note(step(state_, controller::Reported{task.ranks[rank].node, {observed}}, at(now)), now);
    }
    note(step(state_, Place{}, at(now)), now);
  }

  using End = std::pair<double, JobId>;
  const std::vector<SampleJob>& jobs_;
  State state_;
  std::vector<double> starts_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
};

}  // namespace

std::vector<double> run_devrun(const Cluster& cluster, const std::vector<SampleJob>& jobs) {
  return Run(cluster, jobs).to_the_end();
}

}  // namespace devrun::bench
