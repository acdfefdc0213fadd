// What a task begins with, where that is more than its job's snapshot: of a job that waited for others
// their change sets are laid over it; a later attempt sees what the earlier ones brought home. The
// storage makes such a tree (DeriveRoot); until it has, the task waits. What a setup step writes is a part of it
// (setup_once.cc).
#include <fmt/format.h>

#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

// All last attempts of all tasks of a job that has ended.
void add_attempts(const Job& job, std::vector<AttemptKey>& out) {
  for (const auto& [index, task] : job.tasks) {
    for (uint32_t rank = 0; rank < task.ranks.size(); ++rank) {
      out.push_back({job.id, index, rank, task.attempt});
    }
  }
}

DeriveRoot wanted_root(const State& state, const Deriving& deriving) {
  const Job& job = state.jobs.at(deriving.task.job);
  DeriveRoot out{deriving.task, deriving.attempt, job.spec.root.volume, job.spec.root.tree, {}};
  if (deriving.attempt == 1) {
    out.volume_tree = job.spec.root.volume_tree;
    for (const auto* ids : {&job.spec.after, &job.spec.after_ok, &job.spec.after_fail}) {
      for (const JobId id : *ids) {
        const Job* const before = find_job(state, id);
        if (before == nullptr) continue;
        add_attempts(*before, out.over);
        if (before->spec.results == Results::kKeep) add_attempts(*before, out.kept);
      }
    }
    add_setup(state, job, out);
    return out;
  }
  const Task& task = job.tasks.at(deriving.task.task);
  out.base = root_of_attempt(job, task, task.attempt);
  const size_t ranks = task.past.empty() ? 0 : task.past.back().ranks.size();
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    out.over.push_back({job.id, deriving.task.task, rank, task.attempt});
  }
  return out;
}

// Jobs for which others wait are kept, or recalled at the start; but a history may have been lost. 0: none.
JobId forgotten_dependency(const State& state, const Deriving& deriving) {
  if (deriving.attempt > 1) return 0;
  for (const JobId id : dependencies(state.jobs.at(deriving.task.job).spec)) {
    if (find_job(state, id) == nullptr) return id;
  }
  return 0;
}

}  // namespace

bool derive_roots(Turn& turn) {
  bool made = false;
  for (const Deriving& wanted : turn.state.schedule.take_roots_wanted()) {
    const Job* const job = find_job(turn.state, wanted.task.job);
    if (job == nullptr || job->outcome || turn.state.presence.deriving.count(wanted) != 0) continue;
    if (const JobId forgotten = forgotten_dependency(turn.state, wanted)) {
      turn.state.presence.deriving.insert(wanted);
      root_derived(turn, {wanted.task, wanted.attempt,
                          Error{Code::kNotFound,
                                fmt::format("nothing is known of job {} any more", forgotten),
                                {}}});
      continue;
    }
    DeriveRoot root = wanted_root(turn.state, wanted);
    if (root.over.empty() && !root.setup &&
        !root.base.is_zero()) {  // nothing of what it waited for ever ran
      turn.happened(RootDerived{wanted.task, wanted.attempt, root.base});
      made = true;
      continue;
    }
    turn.state.presence.deriving.insert(wanted);
    turn.act(std::move(root));
  }
  return made;
}

void root_derived(Turn& turn, const Derived& input) {
  if (turn.state.presence.deriving.erase({input.task, input.attempt}) == 0) return;
  const Job* const job = find_job(turn.state, input.task.job);
  if (job == nullptr || job->outcome) return;
  if (input.tree && input.setup) return setup_found(turn, *job, input);
  if (input.tree) {
    turn.happened(RootDerived{input.task, input.attempt, *input.tree, input.volume_tree});
    return;
  }
  const TaskKey task =
      input.attempt > 1 ? input.task : TaskKey{job->id, next_task(*job).value_or(kNoTask)};
  end_task(
      turn, task, JobState::kFailed,
      {EndCause::kNotStarted, 125,
       fmt::format("its file system could not be made of its snapshot and what came before: {}",
                   input.tree.error().message),
       input.tree.error().hint});
}

}  // namespace devrun::controller
