#include "bench/sched_quality/policies.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <queue>
#include <set>

namespace devrun::bench {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Running {
  double ends;
  double limit_ends;  // as far as anybody knows
  size_t job;
  std::vector<uint32_t> nodes;
};

// Free GPUs by node; the fullest that fit are taken first.
class Machines {
 public:
  explicit Machines(const Cluster& cluster) : free_(cluster.nodes, cluster.gpus_per_node) {}

  std::optional<std::vector<uint32_t>> find(const SampleJob& job,
                                            const std::set<uint32_t>& spare_out) const {
    std::vector<uint32_t> fit;
    for (uint32_t n = 0; n < free_.size(); ++n) {
      if (free_[n] >= job.gpus && spare_out.count(n) == 0) fit.push_back(n);
    }
    if (fit.size() < job.nodes) return {};
    std::stable_sort(fit.begin(), fit.end(),
                     [&](uint32_t a, uint32_t b) { return free_[a] < free_[b]; });
    fit.resize(job.nodes);
    return fit;
  }
  void take(const SampleJob& job, const std::vector<uint32_t>& nodes) {
    for (const uint32_t n : nodes) free_[n] -= job.gpus;
  }
  void give(const SampleJob& job, const std::vector<uint32_t>& nodes) {
    for (const uint32_t n : nodes) free_[n] += job.gpus;
  }
  const std::vector<uint32_t>& free() const { return free_; }

 private:
  std::vector<uint32_t> free_;
};

class Queue {
 public:
  Queue(const Cluster& cluster, const std::vector<SampleJob>& jobs, bool backfill)
      : jobs_(jobs), machines_(cluster), backfill_(backfill), starts_(jobs.size(), -1) {}

  std::vector<double> to_the_end() {
    size_t next = 0;
    while (next < jobs_.size() || !running_.empty()) {
      const double submit = next < jobs_.size() ? jobs_[next].submitted_s : kNever;
      const double end = running_.empty() ? kNever : running_.begin()->first;
      now_ = std::min(submit, end);
      if (end <= submit) {
        const Running over = running_.begin()->second;
        running_.erase(running_.begin());
        machines_.give(jobs_[over.job], over.nodes);
      } else {
        waiting_.push_back(next++);
      }
      place();
    }
    return starts_;
  }

 private:
  void start(size_t job, const std::vector<uint32_t>& nodes) {
    const SampleJob& of = jobs_[job];
    machines_.take(of, nodes);
    starts_[job] = now_;
    const double known = of.limit_s == 0 ? kNever : now_ + of.limit_s;
    running_.emplace(now_ + of.runs_s, Running{now_ + of.runs_s, known, job, nodes});
  }

  void place() {
    while (!waiting_.empty()) {
      const auto nodes = machines_.find(jobs_[waiting_.front()], {});
      if (!nodes) break;
      start(waiting_.front(), *nodes);
      waiting_.pop_front();
    }
    if (!backfill_ || waiting_.empty()) return;
    const auto [shadow, kept] = reservation(jobs_[waiting_.front()]);
    for (auto it = waiting_.begin() + 1; it != waiting_.end();) {
      const SampleJob& job = jobs_[*it];
      const bool over_by_then = job.limit_s != 0 && now_ + job.limit_s <= shadow;
      const auto nodes = machines_.find(job, over_by_then ? std::set<uint32_t>() : kept);
      if (!nodes) {
        ++it;
        continue;
      }
      start(*it, *nodes);
      it = waiting_.erase(it);
    }
  }

  // When the first one can start by the limits of what runs, and the nodes that it would have then.
  std::pair<double, std::set<uint32_t>> reservation(const SampleJob& first) const {
    std::vector<uint32_t> free = machines_.free();
    std::vector<const Running*> by_limit;
    for (const auto& [end, running] : running_) by_limit.push_back(&running);
    std::sort(by_limit.begin(), by_limit.end(),
              [](const Running* a, const Running* b) { return a->limit_ends < b->limit_ends; });
    for (const Running* running : by_limit) {
      for (const uint32_t n : running->nodes) free[n] += jobs_[running->job].gpus;
      std::set<uint32_t> fit;
      for (uint32_t n = 0; n < free.size() && fit.size() < first.nodes; ++n) {
        if (free[n] >= first.gpus) fit.insert(n);
      }
      if (fit.size() == first.nodes) return {running->limit_ends, fit};
    }
    return {kNever, {}};
  }

  const std::vector<SampleJob>& jobs_;
  Machines machines_;
  bool backfill_;
  double now_ = 0;
  std::deque<size_t> waiting_;
  std::multimap<double, Running> running_;
  std::vector<double> starts_;
};

}  // namespace

std::vector<double> run_fifo(const Cluster& cluster, const std::vector<SampleJob>& jobs) {
  return Queue(cluster, jobs, false).to_the_end();
}

std::vector<double> run_easy(const Cluster& cluster, const std::vector<SampleJob>& jobs) {
  return Queue(cluster, jobs, true).to_the_end();
}

double bound_on_mean_turnaround(const Cluster& cluster, const std::vector<SampleJob>& jobs) {
  const auto speed = static_cast<double>(cluster.gpus());
  std::set<std::pair<double, size_t>> left;  // work, in seconds of the whole cluster
  double now = 0;
  double sum = 0;
  size_t next = 0;
  while (next < jobs.size() || !left.empty()) {
    const double submit = next < jobs.size() ? jobs[next].submitted_s : kNever;
    const double done = left.empty() ? kNever : now + left.begin()->first;
    if (done <= submit) {
      const SampleJob& job = jobs[left.begin()->second];
      sum += std::max(done - job.submitted_s, job.runs_s);
      left.erase(left.begin());
      now = done;
      continue;
    }
    if (!left.empty()) {
      const auto [work, job] = *left.begin();
      left.erase(left.begin());
      left.insert({work - (submit - now), job});
    }
    now = submit;
    const SampleJob& job = jobs[next];
    left.insert({job.runs_s * static_cast<double>(job.all_gpus()) / speed, next++});
  }
  return sum / static_cast<double>(jobs.size());
}

}  // namespace devrun::bench
