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

// The points that are missing up to a time, if somebody would have told them.
size_t missing(const NodeLoad& load, Time upto) {
  if (load.upto.us == 0 || upto - load.upto <= kToldIsOldAfter) return 0;
  return std::min(static_cast<size_t>((upto - load.upto).us / kNodeToldEvery.us), kNodeHistoryMax);
}

void note_gap(NodeLoad& load, Time upto) {
  for (size_t i = missing(load, upto); i > 1; --i) {  // the last one is what is told now
    for (std::vector<uint8_t>* history : {&load.cpu, &load.memory, &load.gpu}) {
      if (!history->empty()) note(*history, kNothingTold);
    }
  }
}

void sum_up(Model& model) {
  model.job_loads.clear();
  model.attempt_loads.clear();
  for (auto& [name, node] : model.node_loads) {
    node.counts = !silent_since(model, name);
    if (!node.counts) continue;
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

std::optional<Time> silent_since(const Model& model, const std::string& name) {
  const auto load = model.node_loads.find(name);
  if (load == model.node_loads.end() || load->second.told.us == 0) return std::nullopt;
  const Time told = load->second.told;
  const auto node = model.nodes.find(name);
  const bool away = node != model.nodes.end() && !node->second.connected;
  if (!away && model.now - told <= kToldIsOldAfter) return std::nullopt;
  // The controller's own words are about when it was last heard of.
  return away && node->second.last_heard.us != 0 ? node->second.last_heard : told;
}

std::optional<Time> silent_since(const Model& model, const JobRow& job) {
  std::optional<Time> out;
  for (const AttemptRow& attempt : job.attempts) {
    if (is_final(attempt.state)) continue;
    const auto since = silent_since(model, attempt.node);
    if (since && (!out || *since < *out)) out = since;
  }
  return out;
}

bool is_on_silent_node(const Model& model, const AttemptRow& attempt) {
  if (is_final(attempt.state)) return false;
  const auto node = model.nodes.find(attempt.node);
  const bool away = node != model.nodes.end() && !node->second.connected;
  return away || silent_since(model, attempt.node);
}

std::vector<uint8_t> upto_now(const Model& model, const std::string& node,
                              std::vector<uint8_t> history) {
  if (history.empty() || !silent_since(model, node)) return history;
  history.resize(history.size() + missing(model.node_loads.at(node), model.now), kNothingTold);
  return history;
}

std::vector<uint8_t> in_percent(const std::vector<Load>& points, uint32_t Load::*value,
                                uint32_t whole, size_t gap) {
  uint32_t most = whole;
  for (const Load& point : points) most = std::max(most, point.*value);
  std::vector<uint8_t> out;
  for (const Load& point : points) {
    out.push_back(point == Load{} ? kNothingTold : percent(point.*value, most));
  }
  out.resize(out.size() + gap, kNothingTold);
  return out;
}

void look_for_silence(Model& model) {
  const bool same = std::ranges::all_of(model.node_loads, [&](const auto& load) {
    return load.second.counts != silent_since(model, load.first).has_value();
  });
  if (!same) sum_up(model);
}

void take_loads(Model& model, const std::vector<NodeSample>& loads) {
  if (loads.empty()) return;
  for (const NodeSample& sample : loads) {
    NodeLoad& load = model.node_loads[sample.node];
    const auto node = model.nodes.find(sample.node);
    // Who begins to watch is told what a node that is away said last.
    const Time heard = node == model.nodes.end() ? Time{} : node->second.last_heard;
    load.told = heard.us == 0 ? model.now : std::min(heard, model.now);
    note_gap(load, load.told);
    load.upto = load.told;
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
    load.upto = {series.end_us};
    for (const Load& point : series.points) {
      if (point == Load{}) {  // nothing uses no memory at all
        for (std::vector<uint8_t>* history : {&load.cpu, &load.memory})
          note(*history, kNothingTold);
        if (series.has_gpus) note(load.gpu, kNothingTold);
        continue;
      }
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
