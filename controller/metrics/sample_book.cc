#include "controller/metrics/sample_book.h"

#include <algorithm>

namespace devrun::controller {

namespace {

constexpr Duration kNodeKept = seconds(2LL * 24 * 3600);

uint32_t kib(int64_t bytes) {
  return static_cast<uint32_t>(std::clamp<int64_t>(bytes >> 10, 0, UINT32_MAX));
}
// Begun ones count: what uses a few KB uses something.
uint32_t mib(int64_t bytes) {
  constexpr int64_t kMib = 1 << 20;
  return static_cast<uint32_t>(std::clamp<int64_t>((bytes + kMib - 1) / kMib, 0, UINT32_MAX));
}

Load load_of(const NodeSample& node) {
  return {node.cpu_permille, mib(node.memory_bytes), gpu_percent(node),
          kib(node.read_bytes_s + node.written_bytes_s)};
}

template <typename Points>
LoadSeries series_of(const Points& points, Duration step, Time end, size_t points_max) {
  const size_t all = points.size();
  const size_t skip = points_max != 0 && all > points_max ? all - points_max : 0;
  LoadSeries out;
  out.step_us = step.us;
  out.end_us = end.us;
  out.points.assign(points.begin() + static_cast<std::ptrdiff_t>(skip), points.end());
  return out;
}

}  // namespace

// What nobody looked at counts as nothing.
void SampleBook::note_idle(OfNode& node, NodeSample& sample, Time now) {
  if (now - node.told > kSampleIsOldAfter) node.idle_since.clear();
  std::map<AttemptKey, Time> idle;
  for (AttemptSample& attempt : sample.attempts) {
    if (attempt.gpus == 0 || attempt.gpu_busy_percent != 0) continue;
    const auto known = node.idle_since.find(attempt.key);
    const Time since = known == node.idle_since.end() ? now : known->second;
    idle[attempt.key] = since;
    attempt.gpu_idle_s = static_cast<uint32_t>(std::max<int64_t>(0, (now - since).us) / 1'000'000);
  }
  node.idle_since = std::move(idle);
}

void SampleBook::tell(NodeSample sample, Time now) {
  const std::scoped_lock lock(mutex_);
  OfNode& node = nodes_[sample.node];
  note_idle(node, sample, now);
  node.newest = std::move(sample);
  node.told = now;
  node.number = ++number_;
}

// Ranks, tasks and attempts of a job, added up over the nodes.
struct SampleBook::Sum {
  Load load;
  uint64_t gpu_percents = 0;
  uint32_t gpus = 0;
  void add(const AttemptSample& one) {
    load.cpu_milli += one.cpu_milli;
    load.memory_mib += mib(one.memory_bytes);
    load.io_kib_s += kib(one.read_bytes_s + one.written_bytes_s);
    gpu_percents += uint64_t{one.gpu_busy_percent} * one.gpus;
    gpus += one.gpus;
  }
};

void SampleBook::fold(Time now) {
  const std::scoped_lock lock(mutex_);
  if (now - folded_ < kFoldEvery && folded_ <= now) return;
  folded_ = now;
  std::map<JobId, Sum> jobs;
  for (auto& [name, node] : nodes_) {
    const bool old = now - node.told > kSampleIsOldAfter;
    const Load load = old ? Load{} : load_of(node.newest);
    node.fine.add(load);
    node.open.add(load);
    if (node.open.count() >= kFoldsPerCoarsePoint) node.coarse.add(node.open.take());
    if (old) continue;
    for (const AttemptSample& attempt : node.newest.attempts) {
      jobs[attempt.key.job].add(attempt);
    }
  }
  for (auto& [id, sum] : jobs) {
    if (jobs_.size() >= kJobSeriesMax && jobs_.count(id) == 0) continue;
    OfJob& job = jobs_[id];
    if (sum.gpus != 0) sum.load.gpu_percent = static_cast<uint32_t>(sum.gpu_percents / sum.gpus);
    job.has_gpus = job.has_gpus || sum.gpus != 0;
    // While its node was away it is not known what it used, and time went by.
    const Duration silent = job.last.us == 0 ? Duration{} : now - job.last;
    for (Duration gap = kFoldEvery; silent > kSampleIsOldAfter && gap < silent;
         gap.us += kFoldEvery.us)
      job.series.add(Load{});
    job.series.add(sum.load);
    job.last = now;
  }
  forget_old(now);
}

void SampleBook::forget_old(Time now) {
  std::erase_if(nodes_, [&](const auto& node) { return now - node.second.told > kNodeKept; });
  // Where there are many, those that have ended make room for those that run.
  const Duration kept = jobs_.size() < kJobSeriesMax * 9 / 10 ? kJobSeriesKept : kSampleIsOldAfter;
  std::erase_if(jobs_, [&](const auto& job) { return now - job.second.last > kept; });
}

std::vector<NodeSample> SampleBook::newer_than(uint64_t& after) const {
  const std::scoped_lock lock(mutex_);
  std::vector<NodeSample> out;
  for (const auto& [name, node] : nodes_) {
    if (node.number > after) out.push_back(node.newest);
  }
  after = number_;
  return out;
}

std::vector<NodeSample> SampleBook::newest(Time now) const {
  const std::scoped_lock lock(mutex_);
  std::vector<NodeSample> out;
  for (const auto& [name, node] : nodes_) {
    if (now - node.told <= kSampleIsOldAfter) out.push_back(node.newest);
  }
  return out;
}

std::vector<AttemptSample> SampleBook::idle_gpus(Time now) const {
  const std::scoped_lock lock(mutex_);
  std::vector<AttemptSample> out;
  for (const auto& [name, node] : nodes_) {
    if (now - node.told > kSampleIsOldAfter) continue;
    for (const AttemptSample& attempt : node.newest.attempts) {
      if (attempt.gpu_idle_s >= kGpusIdleFromS) out.push_back(attempt);
    }
  }
  return out;
}

std::vector<GpuSample> SampleBook::gpus_of(const std::string& name, Time now) const {
  const std::scoped_lock lock(mutex_);
  const auto node = nodes_.find(name);
  if (node == nodes_.end() || now - node->second.told > kSampleIsOldAfter) return {};
  return node->second.newest.gpus;
}

std::vector<LoadSeries> SampleBook::node_series(const std::string& wanted, bool days,
                                                size_t points_max) const {
  const std::scoped_lock lock(mutex_);
  std::vector<LoadSeries> out;
  const Duration coarse{kFoldEvery.us * kFoldsPerCoarsePoint};
  for (const auto& [name, node] : nodes_) {
    if (!wanted.empty() && name != wanted) continue;
    out.push_back(days ? series_of(node.coarse.points(), coarse, folded_, points_max)
                       : series_of(node.fine.points(), kFoldEvery, folded_, points_max));
    out.back().name = name;
    out.back().has_gpus = !node.newest.gpus.empty();
  }
  return out;
}

std::optional<LoadSeries> SampleBook::job_series(JobId id, size_t points_max) const {
  const std::scoped_lock lock(mutex_);
  const auto job = jobs_.find(id);
  if (job == jobs_.end()) return std::nullopt;
  const WideningSeries& series = job->second.series;
  LoadSeries out = series_of(series.points(), series.step(), job->second.last, points_max);
  out.has_gpus = job->second.has_gpus;
  return out;
}

}  // namespace devrun::controller
