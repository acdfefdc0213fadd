// Users end jobs, or signal them.
#include <fmt/format.h>

#include "controller/core/turn.h"
#include "controller/core/view.h"

namespace devrun::controller {

namespace {

const Ending kNeverRan{EndCause::kCancelled, 130, "cancelled before it started", {}};

bool runs(const Task& task) {
  return is_placed(task) && !task.outcome;
}

Result<Reply> deliver(Turn& turn, const Job& job, const Cancel& input, JobState before) {
  std::vector<TaskKey> reached;
  for (const auto& [index, task] : job.tasks) {
    const bool meant = input.task.task == kNoTask || input.task.task == index;
    if (meant && runs(task)) reached.push_back({job.id, index});
  }
  if (reached.empty()) {
    return Error{
        Code::kConflict,
        fmt::format("job {} does not run, so there is nothing to signal", to_string(input.task)),
        fmt::format("devrun cancel {}", to_string(input.task))};
  }
  turn.happened(JobCancelRequested{input.task, input.signal});
  for (const TaskKey& task : reached) send_desired(turn, task);
  return Reply{Cancelled{before}};
}

}  // namespace

Result<Reply> cancel(Turn& turn, const Cancel& input) {
  const Job* job = find_job(turn.state, input.task.job);
  const bool whole = input.task.task == kNoTask;
  if (job == nullptr || (!whole && !array_has(job->spec, input.task.task))) {
    return Error{Code::kNotFound, fmt::format("there is no job {}", to_string(input.task)),
                 "devrun ps -a"};
  }
  JobState before = job_state(turn.state, *job, turn.now);
  if (!whole) before = view_task(turn.state, input.task, turn.now)->state;
  if (is_final(before)) return Reply{Cancelled{before}};
  if (input.signal != 0) return deliver(turn, *job, input, before);

  std::vector<TaskKey> running;
  std::vector<TaskKey> waiting;
  std::vector<TaskKey> completing;
  bool may_follow = false;  // another attempt, one whose results are on their way
  for (const auto& [index, task] : job->tasks) {
    if ((!whole && index != input.task.task) || task.outcome) continue;
    if (!runs(task)) {
      waiting.push_back({job->id, index});
    } else if (only_completes(task)) {
      if (!task.leave_results) completing.push_back({job->id, index});
      may_follow |= !task.is_last;  // also of one that was interrupted
    } else if (task.stop != EndCause::kCancelled) {
      // Also what is being ended for its time limit: it must not be run again.
      running.push_back({job->id, index});
    }
  }
  if (!whole && find_task(turn.state, input.task) == nullptr) waiting.push_back(input.task);
  const bool closes = whole && !job->spec.array.empty() && next_task(*job);
  const bool ends_something = !running.empty() || !waiting.empty() || closes;
  // What has ended by itself comes home unless a user says otherwise.
  const bool leaves = !ends_something && input.reason.empty() && !completing.empty() &&
                      before == JobState::kCompleting;
  if (leaves) {
    turn.happened(JobCancelRequested{input.task, 0, {}, true});
    running = std::move(completing);
  } else if (!running.empty() || closes || may_follow) {
    turn.happened(JobCancelRequested{input.task, 0, input.reason});
  }
  for (const TaskKey& task : running) {
    send_desired(turn, task);
    turn.act(TaskChanged{task});
  }
  for (const TaskKey& task : waiting) {
    const Task* known = find_task(turn.state, task);
    Ending ending = kNeverRan;
    if (known != nullptr && known->attempt != 0)
      ending.reason = "cancelled before its next attempt";
    if (!input.reason.empty()) ending.reason += ": " + input.reason;
    end_task(turn, task, JobState::kCancelled, std::move(ending));
  }
  if (closes) cancelled_whole(turn, job->id);
  return Reply{Cancelled{before}};
}

}  // namespace devrun::controller
