// Tasks end: by their ranks, by time, by what they waited for.
#include <fmt/format.h>

#include <algorithm>

#include "controller/core/group.h"
#include "controller/core/turn.h"

namespace devrun::controller {

JobState state_of_ending(const Ending& ending) {
  switch (ending.cause) {
    case EndCause::kExited:
      return ending.status == 0 ? JobState::kSucceeded : JobState::kFailed;
    case EndCause::kNotStarted:
      return JobState::kFailed;
    case EndCause::kCancelled:
      return JobState::kCancelled;
    case EndCause::kTimedOut:
      return JobState::kTimedOut;
    case EndCause::kLost:
      return JobState::kNodeLost;
  }
  return JobState::kFailed;
}

namespace {

// The statuses that the contract promises, whatever the agent put.
Ending as_promised(Ending ending) {
  if (ending.cause == EndCause::kNotStarted && ending.status == 0) ending.status = 125;
  if (ending.cause == EndCause::kCancelled) ending.status = 130;
  if (ending.cause == EndCause::kTimedOut) ending.status = 124;
  if (ending.cause == EndCause::kLost) ending.status = 125;
  return ending;
}

// Which of several ranks it was that ended the job, in front of what it had to say.
void name_rank(Ending& ending, const Task& task, uint32_t rank) {
  const std::string who = fmt::format("rank {} on {}", rank, task.ranks[rank].node);
  if (ending.reason.empty()) {
    ending.reason = fmt::format("{} exited with {}, which ended the job", who, ending.status);
  } else {
    ending.reason = fmt::format("{}: {}", who, ending.reason);
  }
}

// It ran and succeeded, and what it wrote is on a node alone.
std::optional<Ending> results_not_home(const Task& task, TaskKey key) {
  for (const Rank& rank : task.ranks) {
    if (!rank.wrote || !rank.wrote->home || rank.wrote->home->failure.empty()) continue;
    const HomeSummary& home = *rank.wrote->home;
    const std::string retry = "devrun apply " + to_string(key);
    return Ending{
        EndCause::kExited, 123,
        fmt::format("it succeeded, but what it wrote could not be brought home and stays on "
                    "{}: {}",
                    rank.node, home.failure),
        home.hint.empty() || home.hint == retry
            ? retry
            : fmt::format("{}, make room, then {}", home.hint, retry)};
  }
  return std::nullopt;
}

Ending ending_of_task(const Task& task) {
  Ending ending = *task.ranks[task.first_failed.value_or(0)].ending;
  const bool by_itself = !task.stop || ending.cause == EndCause::kLost;
  if (task.ranks.size() > 1 && task.first_failed && by_itself) {
    name_rank(ending, task, *task.first_failed);
  }
  if (task.stop && ending.cause != EndCause::kLost) {
    if (ending.cause != *task.stop) ending.reason.clear();
    ending.cause = *task.stop;
    if (ending.reason.empty()) {
      ending.reason = *task.stop == EndCause::kTimedOut ? "reached its time limit" : "cancelled";
    }
    if (task.stop_reason) ending.reason = "cancelled: " + *task.stop_reason;
  }
  return as_promised(std::move(ending));
}

// Somebody did not wait for what it wrote.
void name_left_results(Ending& ending, const Task& task, TaskKey key) {
  const auto has_left = [](const Rank& rank) {
    return rank.wrote && rank.wrote->home && !rank.wrote->home->failure.empty();
  };
  if (!task.leave_results || std::none_of(task.ranks.begin(), task.ranks.end(), has_left)) return;
  ending.reason = "its program had ended, and it was cancelled while what it wrote came home";
  ending.hint = "devrun apply " + to_string(key);
}

bool names(const std::vector<JobId>& ids, JobId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void end_alone(Turn& turn, TaskKey task, JobState state, Ending ending) {
  const Time journaled = find_job(turn.state, task.job)->timeline.journaled;
  turn.happened(TaskEnded{task, state, std::move(ending), journaled});
  turn.act(TaskChanged{task});
}

// Those that waited for another end of it can never start. They are `over` then, too.
void end_waiting_for(Turn& turn, JobId over, std::vector<JobId>& all_over) {
  const Job* job = find_job(turn.state, over);
  const auto followers = turn.state.followers.find(over);
  if (!job->outcome || followers == turn.state.followers.end()) return;
  const bool succeeded = job->outcome->state == JobState::kSucceeded;
  std::vector<JobId> dependents;
  for (const JobId id : followers->second) {
    const JobSpec& spec = turn.state.jobs.at(id).spec;
    if (names(succeeded ? spec.after_fail : spec.after_ok, over)) dependents.push_back(id);
  }
  const std::string reason =
      fmt::format("job {}, which it waited for, ended {}", over, state_name(job->outcome->state));
  for (const JobId id : dependents) {
    const std::optional<int32_t> next = next_task(turn.state.jobs.at(id));
    if (!next) continue;
    // Of an array, one task says why, and the rest is not made.
    end_alone(turn, {id, *next}, JobState::kCancelled,
              {EndCause::kNotStarted, 125, reason, fmt::format("devrun show {}", over)});
    if (*next != kNoTask && !turn.state.jobs.at(id).outcome) {
      turn.happened(JobCancelRequested{{id, kNoTask}, 0});
      turn.act(TaskChanged{{id, kNoTask}});
    }
    all_over.push_back(id);
  }
}

// A chain of those that wait for it may be as long as the queue, so nothing here calls itself.
void job_may_be_over(Turn& turn, JobId job) {
  std::vector<JobId> over = {job};
  while (!over.empty()) {
    const JobId next = over.back();
    over.pop_back();
    end_waiting_for(turn, next, over);
    setup_run_ended(turn, next);
    give_up_setup(turn, *find_job(turn.state, next));
    if (next != job) member_ended(turn, next);
  }
}

}  // namespace

void end_task(Turn& turn, TaskKey task, JobState state, Ending ending) {
  end_alone(turn, task, state, std::move(ending));
  job_may_be_over(turn, task.job);
  member_ended(turn, task.job);
}

void cancelled_whole(Turn& turn, JobId job) {
  turn.act(TaskChanged{{job, kNoTask}});
  job_may_be_over(turn, job);
}

void rank_ended(Turn& turn, TaskKey key) {
  const Task* task = find_task(turn.state, key);
  const bool all = std::all_of(task->ranks.begin(), task->ranks.end(),
                               [](const Rank& rank) { return rank.ending.has_value(); });
  if (all && !task->outcome) {
    Ending ending = ending_of_task(*task);
    if (state_of_ending(ending) == JobState::kSucceeded) {
      if (std::optional<Ending> left = results_not_home(*task, key)) {
        return end_task(turn, key, JobState::kFailed, std::move(*left));
      }
    }
    if (may_retry(*find_job(turn.state, key.job), *task, ending)) return retry(turn, key, ending);
    const JobState state = state_of_ending(ending);
    name_left_results(ending, *task, key);
    end_task(turn, key, state, std::move(ending));
  } else if (!all && task->first_failed) {
    send_desired(turn, key);
  }
}

void enforce_time_limits(Turn& turn) {
  std::vector<TaskKey> near;
  std::vector<TaskKey> over;
  for (const AttemptKey& key : turn.state.schedule.take_due(turn.now)) {
    const JobSpec& spec = turn.state.jobs.at(key.job).spec;
    const Task& task = *find_task(turn.state, key.task_key());
    const Rank& rank = task.ranks[key.rank];
    if (task.stop || rank.phase >= Phase::kCompleting) continue;
    const Duration ran = turn.now - program_began(task, rank);
    if (spec.warn_signal != 0 && !task.warned) near.push_back(key.task_key());
    if (ran >= spec.time_limit) over.push_back(key.task_key());
  }
  for (const TaskKey& key : near) {
    if (find_task(turn.state, key)->warned) continue;
    turn.happened(TimeLimitNear{key});
    send_desired(turn, key);
  }
  for (const TaskKey& key : over) {
    if (find_task(turn.state, key)->stop) continue;  // found on two nodes
    turn.happened(TimeLimitReached{key});
    send_desired(turn, key);
  }
}

}  // namespace devrun::controller
