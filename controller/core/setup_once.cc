// Setup steps that are run once. A job with one waits for its tree as a job does that waited for others (derive.cc); the
// storage says whether a step that ran before would have done the same.
//
//   DeriveRoot{setup} ─▶ hit ────────────────────────────────────────────▶ RootDerived: it can be placed
//                     └▶ near, cold ─▶ a job of its own runs the step (SetupRun), on one node, as if it were
//                        the first of the job's; or one with the same key lives: that is waited for
//                        its end ─▶ DeriveRoot{setup, ran} ─▶ hit …
//
// A run that fails ends those that began with the same tree as it did, with its status; others look again, and may find
// that they need one of their own. But one that began with what another had left (near) may have stumbled over just that, as a
// `git clone` or `mkdir` does: then those who waited look again, too, and the storage says whether it asked for anything that is
// otherwise without (a cold one says), or not (its failure stands). Whoever wants a step and is cancelled takes the run
// along if nobody else waits for it.
#include <fmt/format.h>

#include <algorithm>

#include "common/model/resources.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

constexpr uint32_t kRunRetries = 2;  // of a run whose node was lost

// The step writes to nothing but its change set: no home path, no caches of names. What it leaves in /tmp is there for
// the program, as it would be if both ran in one container.
PathRules rules_of_run(const PathRules& of_job) {
  PathRules out;
  for (PathRule rule : of_job) {
    if (!rule.name.empty()) continue;
    if (rule.kind == PathKind::kHome) rule.kind = PathKind::kKept;
    if (rule.path == "/tmp" || rule.path == "/var/tmp") rule.kind = PathKind::kKept;
    out.push_back(std::move(rule));
  }
  return out;
}

JobSpec spec_of_run(const Job& job, const Derived& found) {
  JobSpec out = job.spec;
  out.name += " setup";
  out.root.tree = *found.tree;
  out.root.volume_tree = {};
  out.root.change_sets.clear();
  out.program.argv = job.spec.program.setup;
  out.program.setup.clear();
  out.program.tty = false;
  out.program.reads_stdin = false;
  out.nodes = 1;
  out.array.clear();
  out.group = {};
  out.array_running_max = 0;
  out.after.clear();
  out.after_ok.clear();
  out.after_fail.clear();
  out.cancel_on_disconnect = false;
  out.retries = kRunRetries;
  out.retry_on = {125};
  out.warn_signal = 0;
  out.warn_before = {};
  out.paths = rules_of_run(job.spec.paths);
  out.results = Results::kKeep;
  out.fresh = true;
  out.setup_once = {};
  out.setup_run =
      SetupRun{job.id, job.spec.setup_once, found.setup->plain, job.spec.nodes, found.setup->from};
  return out;
}

bool ran_for(const Job& run, const Job& job) {
  return run.spec.setup_run && job.setup && run.spec.setup_run->plain == job.setup->plain;
}

// The one that the job waited for, once it has ended, if that was of the same tree; else null.
const Job* run_that_ended(const State& state, const Job& job) {
  const JobId id = awaited_setup(job);
  const Job* const run = id == 0 ? nullptr : find_job(state, id);
  return run != nullptr && run->outcome && ran_for(*run, job) ? run : nullptr;
}

// What ends a run that has less may not end one that has what was asked for.
bool has_enough(const JobSpec& run, const JobSpec& wanted) {
  const bool has_time =
      run.time_limit.us == 0 || (wanted.time_limit.us != 0 && run.time_limit >= wanted.time_limit);
  return has_time && covers(run.per_node, wanted.per_node);
}

// A run that waits for what the job does not ask for may never come, and one that is being ended comes to nothing.
bool may_share(const Job& run, const JobSpec& spec) {
  const JobSpec& of_run = run.spec;
  const Task& task = run.tasks.at(kNoTask);
  if (task.stop || task.is_last || task.leave_results || !has_enough(of_run, spec)) return false;
  return is_placed(task) ||
         (of_run.per_node == spec.per_node && of_run.pool == spec.pool &&
          of_run.node_labels == spec.node_labels && of_run.priority >= spec.priority);
}

// The newest that may be shared; 0: none. After a failure that may come of what another had left, only one without that.
JobId run_to_share(const State& state, const JobSpec& spec, bool cold) {
  const auto live = state.setup_runs.find(spec.setup_once.key);
  if (live == state.setup_runs.end() || spec.setup_once.fresh) return 0;
  const auto found = std::find_if(live->second.rbegin(), live->second.rend(), [&](JobId id) {
    const Job& run = state.jobs.at(id);
    return may_share(run, spec) && !(cold && run.spec.setup_run->from != 0);
  });
  return found == live->second.rend() ? 0 : *found;
}

void begin_run(Turn& turn, const Job& job, const Derived& found, SetupUse use) {
  const JobId id = turn.state.next_job;
  JobSpec spec = spec_of_run(job, found);
  Timeline timeline;
  timeline.submitted = timeline.snapshot_taken = timeline.journaled = turn.now;
  const JobId wanted_by = job.id;
  use.run = id;
  turn.happened(
      JobSubmitted{id, fmt::format("setup of {}, {}", wanted_by, id), std::move(spec), timeline});
  turn.happened(SetupDecided{wanted_by, std::move(use)});
  turn.act(TaskChanged{{id, kNoTask}});
  turn.act(TaskChanged{{wanted_by, kNoTask}});
}

void end_with_run(Turn& turn, JobId id, const Job& run) {
  const std::optional<int32_t> next = next_task(turn.state.jobs.at(id));
  if (!next) return;
  Ending ending = run.outcome->ending;
  const std::string why =
      ending.reason.empty() ? fmt::format("exited with {}", ending.status) : ending.reason;
  ending.reason = fmt::format("its setup, job {}, {}", run.id, why);
  if (ending.hint.empty()) ending.hint = fmt::format("devrun logs {}", run.id);
  end_task(turn, {id, *next}, run.outcome->state, std::move(ending));
  if (*next == kNoTask || turn.state.jobs.at(id).outcome) return;
  turn.happened(JobCancelRequested{{id, kNoTask}, 0});
  cancelled_whole(turn, id);
}

bool may_do_better_cold(const Job& run) {
  return run.spec.setup_run->from != 0 && run.outcome->ending.cause == EndCause::kExited;
}

}  // namespace

void add_setup(const State& state, const Job& job, DeriveRoot& wanted) {
  if (!has_setup_once(job.spec)) return;
  wanted.setup = DeriveRoot::Setup{job.spec.setup_once, job.spec.program.caller.home};
  const Job* const run = run_that_ended(state, job);
  if (run == nullptr) return;
  const AttemptKey key{run->id, kNoTask, 0, run->tasks.at(kNoTask).attempt};
  wanted.setup->began_with = run->spec.root.tree;
  if (run->outcome->state == JobState::kSucceeded) {
    wanted.setup->ran = key;
  } else {
    wanted.setup->failed = key;
    wanted.setup->failed_from = run->spec.setup_run->from;
  }
}

void setup_found(Turn& turn, const Job& job, const Derived& found) {
  const Derived::Setup& setup = *found.setup;
  const Job* const run = run_that_ended(turn.state, job);
  const bool has_failed = run != nullptr && run->outcome->state != JobState::kSucceeded;
  if (setup.stands && has_failed) return end_with_run(turn, job.id, *run);
  if (setup.how == SetupHow::kHit) {
    // Of one that ran for this job, or for another while it waited, it stays known how that was.
    const JobId id = awaited_setup(job);
    const bool was_run = id != 0 && setup.from == id;
    if (!was_run) {
      turn.happened(SetupDecided{job.id, {setup.how, setup.from, setup.plain, setup.why}});
    }
    turn.happened(RootDerived{found.task, found.attempt, *found.tree, found.volume_tree});
    return;
  }
  SetupUse use{setup.how, 0, setup.plain, setup.why};
  const JobId shared = run_to_share(turn.state, job.spec, has_failed);
  if (shared == 0) return begin_run(turn, job, found, std::move(use));
  use.run = shared;
  use.waits = true;
  const JobId id = job.id;
  turn.happened(SetupDecided{id, std::move(use)});
  turn.act(TaskChanged{{id, kNoTask}});
}

void setup_run_ended(Turn& turn, JobId run) {
  const Job* const job = find_job(turn.state, run);
  const auto followers = turn.state.followers.find(run);
  if (!job->spec.setup_run || !job->outcome || followers == turn.state.followers.end()) return;
  if (job->outcome->state == JobState::kSucceeded) return;
  if (may_do_better_cold(*job)) return;
  const std::set<JobId> waiting = followers->second;
  for (const JobId id : waiting) {
    const Job& one = turn.state.jobs.at(id);
    if (awaited_setup(one) == run && ran_for(*job, one)) end_with_run(turn, id, *job);
  }
}

void give_up_setup(Turn& turn, const Job& job) {
  // What it waited for is told by its spec and its use: it has its outcome by now.
  if (!job.outcome || !job.setup || !job.root.is_zero() || job.setup->how == SetupHow::kHit) return;
  const Job* const run = find_job(turn.state, job.setup->run);
  if (run == nullptr || run->outcome || turn.state.followers.contains(run->id)) return;
  [[maybe_unused]] const Result<Reply> cancelled =
      cancel(turn, Cancel{{run->id, kNoTask}, 0, "nobody waits for this setup any more"});
}

}  // namespace devrun::controller
