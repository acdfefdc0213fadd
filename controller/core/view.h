// What people and agents are told, read off the state. Nothing here decides.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/model/attempt.h"
#include "common/model/task_counts.h"
#include "controller/core/explain.h"
#include "controller/core/state.h"

namespace devrun::controller {

// A task as its watchers see it.
struct TaskView {
  JobState state = JobState::kQueued;
  std::string node;                     // of rank 0
  std::vector<std::string> nodes = {};  // by rank
  std::string reason;                   // why it waits, also STARTING, or is UNREACHABLE
  uint32_t attempt = 0;                 // the newest that was placed
  std::vector<std::vector<int64_t>> past_output = {};  // of those before it, by rank; final
  std::optional<Ending> ending;
  std::vector<int64_t> output_bytes;  // by rank; final once the task has ended
  // Ended attempts that wrote something and whose log is as long as it will be, as (attempt, rank): all of it is stored, or their node is gone.
  std::set<std::pair<uint32_t, uint32_t>> closed_logs = {};
  std::optional<WrittenSummary> wrote;  // of rank 0
  Timeline timeline;                    // the controller's and rank 0's
  bool operator==(const TaskView&) const = default;
};

// Final bytes of an attempt's output, once it has ended. 0 if it left none, or is not there (yet).
uint64_t output_of(const TaskView& view, uint32_t attempt, uint32_t rank);
// Of an attempt that has ended, where `sent` is what a reader has had: whether that is all that will come, and how much
// of what the attempt wrote never will.
bool is_all_output(const TaskView& view, uint32_t attempt, uint32_t rank, uint64_t sent);
uint64_t missing_output(const TaskView& view, uint32_t attempt, uint32_t rank, uint64_t sent);

// Of an array; all zero of any other job.
TaskCounts task_counts(const Job& job);
JobState task_state(const State& state, const Task& task, Time now);
// Of arrays: as far as the furthest of the tasks that live.
JobState job_state(const State& state, const Job& job, Time now);
std::string job_reason(const State& state, const Job& job, Time now, Explained* known = nullptr);
Timeline rank_timeline(const Job& job, const Task& task, const Rank& rank);

// A task that is not there yet is QUEUED; nullopt if the job has no such task.
std::optional<TaskView> view_task(const State& state, TaskKey key, Time now);

// ── for agents ──
struct DesiredRank {
  DesiredAttempt attempt;
  int32_t deliver_signal = 0;
  uint32_t deliver_sequence = 0;
  // Its node has told nothing of it yet, so it is told what to run (attempt_spec). What a node has once spoken of never
  // begins there again: if it knows nothing of it any more, it is lost.
  bool needs_spec = false;
};
// nullopt if nothing should be of it on that node: it is released.
std::optional<DesiredRank> desired(const State& state, const std::string& node,
                                   const AttemptKey& key);
std::vector<AttemptKey> desired_on(const State& state, const std::string& node);
// Without the opened environment. The key must be that of a placed rank.
AttemptSpec attempt_spec(const State& state, const AttemptKey& key);

}  // namespace devrun::controller
