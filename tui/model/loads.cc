#include "tui/model/loads.h"

#include <algorithm>

namespace devrun::tui {

namespace {

uint8_t percent(int64_t part, int64_t whole) {
  if (whole <= 0) return 0;
  return static_cast<uint8_t>(std::clamp<int64_t>(part * 100 / whole, 0, 100));
}

void note(std::vector<uint8_t>& history, uint8_t value) {
  history.push_back(value);
  if (history.size() > kNodeHistoryMax) history.erase(history.begin());
}

void add(JobLoad& load, const AttemptSample& one) {
  const uint64_t percents =
      uint64_t{load.gpu_percent} * load.gpus + uint64_t{one.gpu_busy_percent} * one.gpus;
  load.cpu_milli += one.cpu_milli;
  load.memory_bytes += one.memory_bytes;
  if (one.gpus == 0) return;
  load.gpu_idle_s = load.gpus == 0 ? one.gpu_idle_s : std::min(load.gpu_idle_s, one.gpu_idle_s);
  load.gpus += one.gpus;
  load.gpu_percent = static_cast<uint32_t>(percents / load.gpus);
}

void sum_up(Model& model) {
  model.job_loads.clear();
  model.attempt_loads.clear();
  for (const auto& [name, node] : model.node_loads) {
    for (const AttemptSample& attempt : node.newest.attempts) {
      model.attempt_loads[attempt.key] = attempt;
      add(model.job_loads[attempt.key.job], attempt);
    }
  }
}

}  // namespace

bool is_idle(const JobLoad& load) {
  return load.gpus != 0 && load.gpu_idle_s >= kIdleGpuMarkedAfterS;
}

void take_loads(Model& model, const std::vector<NodeSample>& loads) {
  if (loads.empty()) return;
  for (const NodeSample& sample : loads) {
    NodeLoad& load = model.node_loads[sample.node];
    load.newest = sample;
    note(load.cpu, percent(sample.cpu_permille, 1000));
    note(load.memory, percent(sample.memory_bytes, sample.memory_total_bytes));
    if (!sample.gpus.empty()) note(load.gpu, static_cast<uint8_t>(gpu_percent(sample)));
  }
  sum_up(model);
  const SortBy by = model.list.sort;
  if (by == SortBy::kCpu || by == SortBy::kMemory || by == SortBy::kGpu) model.list.stale = true;
}

void take_node_series(Model& model, const NodeSeriesFetched& fetched) {
  for (const LoadSeries& series : fetched.series) {
    if (fetched.days) {
      model.node_days_series[series.name] = series;
      continue;
    }
    NodeLoad& load = model.node_loads[series.name];
    const int64_t total_mib = load.newest.memory_total_bytes >> 20;
    load.cpu.clear();
    load.memory.clear();
    load.gpu.clear();
    for (const Load& point : series.points) {
      note(load.cpu, percent(point.cpu_milli, 1000));
      note(load.memory, percent(point.memory_mib, total_mib));
      if (series.has_gpus) note(load.gpu, static_cast<uint8_t>(std::min(100U, point.gpu_percent)));
    }
  }
}

void forget_loads(Model& model) {
  std::erase_if(model.node_loads,
                [&](const auto& load) { return model.nodes.count(load.first) == 0; });
  sum_up(model);
}

}  // namespace devrun::tui
