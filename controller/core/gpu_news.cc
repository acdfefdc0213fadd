#include "controller/core/gpu_news.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/units.h"

namespace devrun::controller {

namespace {

// The first of its GPUs that is in trouble: its number and what is the matter.
std::string first_trouble(const State& state, const std::string& node, const Rank& rank) {
  const auto known = state.nodes.find(node);
  if (known == state.nodes.end()) return {};
  for (const Gpu& gpu : known->second.hello.gpus) {
    const bool own = std::find(rank.gpus.begin(), rank.gpus.end(), gpu.index) != rank.gpus.end();
    if (own && !gpu.trouble.empty()) return fmt::format("GPU {}: {}", gpu.index, gpu.trouble);
  }
  return {};
}

std::string idle_words(const IdleGpus& idle) {
  return fmt::format("{} done nothing for {} (0 % busy, {} of memory held)",
                     idle.gpus == 1 ? "its GPU has" : fmt::format("its {} GPUs have", idle.gpus),
                     format_duration(idle.idle), format_size(idle.memory_bytes));
}

}  // namespace

std::string say_gpus(const State& state, TaskKey key, const Task& task) {
  for (uint32_t i = 0; i < task.ranks.size(); ++i) {
    const Rank& rank = task.ranks[i];
    if (rank.ending || rank.phase >= Phase::kCompleting) continue;
    const std::string trouble = first_trouble(state, rank.node, rank);
    if (!trouble.empty()) return fmt::format("{}, {}", rank.node, trouble);
    const auto idle = state.presence.gpus_idle.find({key.job, key.task, i, task.attempt});
    if (idle == state.presence.gpus_idle.end() || state.policy.idle_gpus_warned.us == 0) continue;
    if (idle->second.idle >= state.policy.idle_gpus_warned) return idle_words(idle->second);
  }
  return {};
}

ObservedAttempt with_gpu_trouble(const State& state, const std::string& node, const Rank& rank,
                                 const ObservedAttempt& observed) {
  ObservedAttempt out = observed;
  if (!out.ending || out.ending->status == 0 || out.ending->cause != EndCause::kExited) return out;
  const std::string trouble = first_trouble(state, node, rank);
  if (trouble.empty()) return out;
  std::string& reason = out.ending->reason;
  reason += fmt::format("{}{} had failed: {}", reason.empty() ? "" : "; ", node, trouble);
  return out;
}

void gpus_idle(Turn& turn, const GpusIdle& input) {
  const Policy& policy = turn.state.policy;
  auto before = std::exchange(turn.state.presence.gpus_idle, input.attempts);
  for (const auto& [key, idle] : input.attempts) before.try_emplace(key);
  for (const auto& [key, was] : before) turn.act(TaskChanged{key.task_key()});
  if (policy.idle_gpus_ended.us == 0) return;
  for (const auto& [key, idle] : input.attempts) {
    const Rank* rank = find_rank(turn.state, key);
    const Task* task = find_task(turn.state, key.task_key());
    if (idle.idle < policy.idle_gpus_ended || rank == nullptr || task == nullptr) continue;
    if (rank->phase != Phase::kRunning || rank->ending || task->stop) continue;
    if (key.attempt != task->attempt) continue;
    const std::string reason = fmt::format("{}, and the policy ends such jobs", idle_words(idle));
    static_cast<void>(cancel(turn, Cancel{key.task_key(), 0, reason}));
  }
}

}  // namespace devrun::controller
