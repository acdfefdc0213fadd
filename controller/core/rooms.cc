#include "controller/core/rooms.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/check.h"
#include "common/base/units.h"
#include "common/model/fits.h"
#include "common/model/resources.h"
#include "controller/core/node_use.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

// What should have ended and has not will do so soon, as far as can be told.
constexpr Duration kOverdue = seconds(60);
constexpr int kAsideDoublingsMax = 6;

bool has_gpus(const Room& room, const Resources& need, const Match& match) {
  if (need.gpus == 0 || shared_gpu(room, need, match)) return true;
  return static_cast<int32_t>((room.gpus_free & match.gpus).count()) >= need.gpus;
}

// How many of an attempt's GPUs take a job once it has ended. A node that names none of its GPUs has no bad ones.
int32_t well_of(const State& state, const Node& node, const Rank& rank) {
  return static_cast<int32_t>(
      std::count_if(rank.gpus.begin(), rank.gpus.end(), [&](uint32_t index) {
        const auto& gpus = node.hello.gpus;
        const auto gpu = std::find_if(gpus.begin(), gpus.end(),
                                      [&](const Gpu& one) { return one.index == index; });
        return gpu == gpus.end() ? gpus.empty() : why_set_aside(state.policy, *gpu).empty();
      }));
}

Duration aside_span(const Policy& policy, size_t failed) {
  const auto beyond = static_cast<int>(failed - policy.aside_after_jobs);
  return {policy.aside_for.us << std::min(beyond, kAsideDoublingsMax)};
}

}  // namespace

std::string why_unusable(const State& state, const std::string& name, Time now, Time* again) {
  const auto it = state.nodes.find(name);
  if (it == state.nodes.end()) return "there is no such node";
  const Node& node = it->second;
  if (node.lost) return "declared lost";
  if (!is_connected(state, name)) return "not connected";
  if (!node.drained.empty()) return "drained: " + node.drained;
  const std::string& trouble = trouble_of(state, name);
  if (!trouble.empty()) return "takes no jobs: " + trouble;
  const FailedStarts* starts = state.schedule.failed_starts(name);
  const size_t failed = starts == nullptr ? 0 : starts->jobs.size();
  if (state.policy.aside_after_jobs == 0 || failed < state.policy.aside_after_jobs) return {};
  const Time until = starts->last + aside_span(state.policy, failed);
  if (until <= now) return {};
  if (again != nullptr) *again = until;
  return fmt::format(
      "set aside for {}: {} jobs in a row could not be started there, the last one since: {} (once "
      "that is mended: devrun nodes undrain {})",
      format_duration(until - starts->last), failed, starts->reason, name);
}

Time expected(const Freeing& freeing, Time now) {
  return freeing.at > now ? freeing.at : now + kOverdue;
}

std::string why_set_aside(const Policy& policy, const Gpu& gpu) {
  if (!gpu.trouble.empty()) return gpu.trouble;
  if (!policy.avoid_gpus_of_others || gpu.others.empty()) return {};
  return "programs that are not devrun's use it: " + gpu.others;
}

std::optional<size_t> shared_gpu(const Room& room, const Resources& need, const Match& match) {
  const std::pair<size_t, int32_t>* best = nullptr;
  for (const auto& share : room.gpu_shares) {
    if (need.gpu_milli == 0 || share.second < need.gpu_milli || !match.gpus.test(share.first)) {
      continue;
    }
    if (best == nullptr || share.second < best->second) best = &share;
  }
  return best == nullptr ? std::nullopt : std::optional(best->first);
}

std::vector<Freeing> freeings_on(const State& state, const std::string& name) {
  std::vector<Freeing> out;
  std::map<uint32_t, Time> shared;  // when the last share of a GPU is given back
  const Node& node = state.nodes.at(name);
  for (const AttemptKey& key : node.live) {
    const Rank& rank = *find_rank(state, key);
    if (rank.phase >= Phase::kCompleting) continue;
    const JobSpec& spec = state.jobs.at(key.job).spec;
    const Resources need = taken_by(spec);
    Freeing freeing{kNever, need.cpu_milli, need.memory_bytes,
                    need.gpu_milli != 0 ? 0 : well_of(state, node, rank)};
    if (spec.time_limit.us != 0) {
      const Task& task = *find_task(state, key.task_key());
      freeing.at = std::max(task.placed, rank.timeline.started) + spec.time_limit + kAfterLimit;
    }
    out.push_back(freeing);
    if (need.gpu_milli == 0 || well_of(state, node, rank) == 0) continue;
    for (const uint32_t gpu : rank.gpus) shared[gpu] = std::max(shared[gpu], freeing.at);
  }
  for (const auto& [gpu, at] : shared) out.push_back({at, 0, 0, 1});
  std::sort(out.begin(), out.end(), [](const Freeing& a, const Freeing& b) { return a.at < b.at; });
  return out;
}

uint32_t Rooms::kind_of(const NodeHello& hello) {
  const auto [it, made] =
      kind_ids_.try_emplace(kind_key(hello), static_cast<uint32_t>(kinds_.size()));
  if (made) {
    kinds_.push_back({hello, all_gpus(hello)});
    orders_.emplace_back();
  }
  return it->second;
}

void Rooms::file(NodeId node, bool in) {
  const Room& room = rooms_[node];
  if (!room.usable) return;
  auto& of = orders_[room.kind][room.free.gpus];
  if (in) {
    of.insert({room.free.cpu_milli, node});
    return;
  }
  of.erase({room.free.cpu_milli, node});
  if (of.empty()) orders_[room.kind].erase(room.free.gpus);
}

std::optional<NodeId> Rooms::find(const std::string& name) const {
  const auto it = ids_.find(name);
  if (it == ids_.end()) return {};
  return it->second;
}

void Rooms::refresh(const State& state, const std::string& name, Time now) {
  const auto known = state.nodes.find(name);
  if (known == state.nodes.end()) return;
  const Node& node = known->second;
  const auto [it, made] = ids_.try_emplace(name, static_cast<NodeId>(rooms_.size()));
  if (made) {
    rooms_.emplace_back();
    freeings_.emplace_back();
    rooms_.back().name = name;
  } else {
    file(it->second, false);
  }
  Room& room = rooms_[it->second];
  freeings_[it->second].reset();
  room.kind = kind_of(node.hello);
  room.usable = why_unusable(state, name, now, nullptr).empty();
  room.leaves = node.hello.leaves;
  room.total = node.hello.total;
  room.free = room.total;
  take(room.free, node.used);
  room.attempts = static_cast<uint32_t>(node.live.size());
  room.gpus_free.reset();
  room.gpus_well.reset();
  room.gpu_shares.clear();
  const std::vector<Gpu> gpus = all_gpus(node.hello);
  for (size_t i = 0; i < std::min(gpus.size(), kGpusPerNodeMax); ++i) {
    if (!why_set_aside(state.policy, gpus[i]).empty()) continue;
    room.gpus_well.set(i);
    if (!is_held(node, gpus[i])) room.gpus_free.set(i);
    const auto shares = node.gpu_shares.find(gpus[i].index);
    if (shares != node.gpu_shares.end())
      room.gpu_shares.emplace_back(i, 1000 - shares->second.milli);
  }
  room.free.gpus = static_cast<int32_t>(room.gpus_free.count());
  if (room.hold) find_beside(state, it->second, now);
  file(it->second, true);
}

const std::vector<Freeing>& Rooms::freeings(const State& state, NodeId node) {
  std::optional<std::vector<Freeing>>& known = freeings_[node];
  if (!known) known = freeings_on(state, rooms_[node].name);
  return *known;
}

void Rooms::find_beside(const State& state, NodeId node, Time now) {
  Room& room = rooms_[node];
  room.beside = room.total;
  take(room.beside, kept_.at(node));
  for (const Freeing& freeing : freeings(state, node)) {
    if (expected(freeing, now) <= room.hold->from) continue;
    take(room.beside, {freeing.cpu_milli, freeing.memory_bytes, freeing.gpus, {}});
  }
  // When these come back is not looked at.
  take_extras(room.beside, state.nodes.at(room.name).used);
}

void Rooms::set_hold(const State& state, NodeId node, std::optional<Hold> hold,
                     const Resources& kept, Time now) {
  Room& room = rooms_[node];
  room.hold = hold;
  kept_.erase(node);
  if (!hold) return;
  kept_[node] = kept;
  find_beside(state, node, now);
}

bool Rooms::fits(const Room& room, ShapeId id, const Shape& shape, const Match& match, Time now) {
  if (!room.usable || !match.may_run || room.attempts >= kAttemptsPerNodeMax) return false;
  const Resources& need = shape.need;
  if (!covers_but_gpus(room.free, need) || !has_gpus(room, need, match)) return false;
  if (leaves_too_soon(room.leaves, shape.time_limit, now)) return false;
  if (!room.hold || room.hold->shape == id) return true;
  const Time from = room.hold->from;
  const bool over_by_then =
      shape.time_limit.us != 0 && from != kNever && now + shape.time_limit + kAfterLimit <= from;
  return over_by_then || covers(room.beside, need);
}

}  // namespace devrun::controller
