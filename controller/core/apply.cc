#include "controller/core/apply.h"

#include <variant>

#include "common/base/check.h"
#include "common/model/ending.h"
#include "common/model/fits.h"
#include "common/model/resources.h"
#include "controller/core/group.h"
#include "controller/core/node_use.h"

namespace devrun::controller {

namespace {

QueueKey queue_key(const Job& job) {
  return {-int64_t{job.spec.priority}, job.id};
}

// A task of an array exists from the moment that something happens to it.
Task& make_task(Job& job, int32_t index) {
  const auto [it, made] = job.tasks.try_emplace(index);
  if (made) ++job.open_tasks;
  return it->second;
}

// It may be gone already: named twice.
template <typename Key>
void drop_from(std::map<Key, std::set<JobId>>& sets, const Key& key, JobId job) {
  const auto at = sets.find(key);
  if (at == sets.end()) return;
  at->second.erase(job);
  if (at->second.empty()) sets.erase(at);
}

void stop_following(Ledger& ledger, JobId before, JobId follower) {
  drop_from(ledger.followers, before, follower);
}

// After a change of the job's tasks: the array's place, the queue, the job's own outcome.
void settle(Ledger& ledger, Job& job, Time at) {
  if (!job.spec.array.empty() && !job.closed) {
    const uint64_t size = array_size(job.spec);
    while (job.array_passed < size &&
           job.tasks.count(array_task_at(job.spec, job.array_passed)) != 0) {
      ++job.array_passed;
    }
  }
  if (next_task(job)) {
    ledger.queue.insert(queue_key(job));
    return;
  }
  ledger.queue.erase(queue_key(job));
  if (job.open_tasks != 0 || job.outcome) return;
  // The job's outcome is that of its first task that did not succeed.
  Outcome outcome{JobState::kSucceeded, {}, at};
  if (job.closed) {
    outcome.state = JobState::kCancelled;
    outcome.ending = {EndCause::kCancelled, 130, "cancelled", {}};
  }
  for (const auto& [index, task] : job.tasks) {
    if (task.outcome->state != JobState::kSucceeded) {
      outcome = *task.outcome;
      outcome.at = at;
      break;
    }
  }
  for (const JobId id : awaited(job)) stop_following(ledger, id, job.id);
  job.outcome = outcome;
  ledger.ended.insert({at, job.id});
  if (job.spec.setup_run) {
    drop_from(ledger.setup_runs, job.spec.setup_run->which.key, job.id);
  }
  const auto dev = ledger.dev_containers.find(job.spec.root.volume);
  if (dev != ledger.dev_containers.end() && dev->second == job.id) ledger.dev_containers.erase(dev);
}

// Once its program has ended: what becomes of its results needs none of them.
void give_back(Ledger& ledger, const Job& job, const Rank& rank) {
  drop_use(ledger.nodes.at(rank.node), taken_by(job.spec), rank.gpus);
}

void end_rank(Ledger& ledger, Job& job, Task& task, const AttemptKey& key, const Ending& ending) {
  Rank& rank = task.ranks[key.rank];
  const bool has_room = rank.phase < Phase::kCompleting;
  rank.ending = ending;
  rank.phase = Phase::kEnded;
  const bool good = ending.cause == EndCause::kExited && ending.status == 0;
  if (!good && !task.first_failed) task.first_failed = key.rank;
  if (ledger.nodes.at(rank.node).live.erase(key) != 0 && has_room) give_back(ledger, job, rank);
}

struct Apply {
  Ledger& ledger;
  Time at;

  Job& job(JobId id) { return ledger.jobs.at(id); }

  void operator()(const JobSubmitted& e) {
    Job job;
    job.id = e.job;
    job.request_id = e.request_id;
    job.spec = e.spec;
    job.timeline = e.timeline;
    if (e.spec.array.empty()) make_task(job, kNoTask);
    ledger.next_job = std::max(ledger.next_job, e.job + 1);
    ledger.requests[{e.spec.user, e.request_id}] = e.job;
    for (const JobId id : dependencies(e.spec)) ledger.followers[id].insert(e.job);
    if (e.spec.group.size != 0) ledger.groups[group_leader(e.spec, e.job)].insert(e.job);
    if (e.spec.dev_container) ledger.dev_containers[e.spec.root.volume] = e.job;
    if (e.spec.setup_run) ledger.setup_runs[e.spec.setup_run->which.key].insert(e.job);
    Job& kept = ledger.jobs[e.job] = std::move(job);
    settle(ledger, kept, at);
  }

  void operator()(const TaskPlaced& e) {
    Job& placed = job(e.task.job);
    Task& task = make_task(placed, e.task.task);
    task.attempt = e.attempt;
    task.placed = at;
    task.lease = e.lease;
    placed.again.erase(e.task.task);
    task.ranks.assign(e.nodes.size(), {});
    for (uint32_t i = 0; i < e.nodes.size(); ++i) {
      task.ranks[i].node = e.nodes[i];
      Node& node = ledger.nodes[e.nodes[i]];
      node.live.insert({e.task.job, e.task.task, i, e.attempt});
      if (i < e.gpus.size()) task.ranks[i].gpus = e.gpus[i];
      add_use(node, taken_by(placed.spec), task.ranks[i].gpus);
    }
    ++placed.running_tasks;
    settle(ledger, placed, at);
  }

  void operator()(const AttemptReported& e) {
    const AttemptKey& key = e.observed.key;
    Job& of = job(key.job);
    Task& task = of.tasks.at(key.task);
    const bool is_past = key.attempt <= task.past.size();
    Rank& rank = (is_past ? task.past[key.attempt - 1].ranks : task.ranks).at(key.rank);
    if (rank.ending) {
      // Its node will send no more of its output than that (output_stored).
      rank.output_bytes = e.observed.output_bytes;
      return;
    }
    rank.reported = true;
    const bool completes =
        rank.phase < Phase::kCompleting && e.observed.phase == Phase::kCompleting;
    if (completes) give_back(ledger, of, rank);
    if (e.observed.phase != Phase::kEnded) rank.phase = e.observed.phase;
    rank.setup_done = rank.setup_done || e.observed.setup_done;
    rank.output_bytes = e.observed.output_bytes;
    rank.wrote = e.observed.wrote;
    rank.timeline = e.observed.timeline;
    rank.usage = e.observed.usage;
    if (e.observed.phase != Phase::kEnded) return;
    end_rank(ledger, of, task, key, e.observed.ending.value_or(Ending{}));
  }

  void operator()(const JobCancelRequested& e) {
    Job& of = job(e.task.job);
    const bool whole = e.task.task == kNoTask;
    for (auto& [index, task] : of.tasks) {
      if ((!whole && index != e.task.task) || task.outcome || !is_placed(task)) continue;
      if (e.signal == 0 && only_completes(task)) {
        task.is_last = true;
        if (!e.leave_results) continue;
        if (!task.stop) task.stop = EndCause::kCancelled;
        task.leave_results = true;
      } else if (e.signal == 0) {
        task.stop = EndCause::kCancelled;
        if (!e.reason.empty()) task.stop_reason = e.reason;
      } else {
        task.deliver_signal = e.signal;
        ++task.deliver_sequence;
      }
    }
    if (e.signal != 0 || !whole || of.spec.array.empty()) return;
    of.closed = of.closed || next_task(of).has_value();
    settle(ledger, of, at);
  }

  void operator()(const TaskEnded& e) {
    Job& of = job(e.task.job);
    Task& task = make_task(of, e.task.task);
    if (is_placed(task)) --of.running_tasks;
    of.again.erase(e.task.task);
    task.outcome = Outcome{e.state, e.ending, at};
    task.leave_results = task.is_last = false;  // done
    if (e.journaled.us != 0) of.timeline.journaled = e.journaled;
    --of.open_tasks;
    if (e.state != JobState::kSucceeded) ++of.failed_tasks;
    settle(ledger, of, at);
  }

  void operator()(const NodeJoined& e) {
    Node& node = ledger.nodes[e.hello.name];
    node.hello = e.hello;
    node.lost = false;
    ledger.restored.awaited.erase(e.hello.name);
  }

  void operator()(const NodeDeclaredLost& e) {
    Node& node = ledger.nodes[e.node];
    node.lost = true;
    ledger.restored.awaited.erase(e.node);
    const std::set<AttemptKey> live = node.live;
    for (const AttemptKey& key : live) {
      Job& of = job(key.job);
      Task& task = of.tasks.at(key.task);
      // What of its output has not come will not come.
      task.ranks[key.rank].output_bytes = 0;
      end_rank(ledger, of, task, key,
               {EndCause::kLost, 125, e.reason,
                "devrun logs " + to_string(key.task_key()) + ", and submit it again"});
    }
  }

  void operator()(const NodeDrained& e) {
    Node& node = ledger.nodes[e.node];  // its own hello may have gone for a later one
    node.drained = e.drained ? e.reason : "";
  }

  void operator()(const JobKept& e) { job(e.job).kept = true; }
  void operator()(const TaskRetried& e) {
    Job& of = job(e.task.job);
    Task& task = of.tasks.at(e.task.task);
    task.past.push_back({task.placed, std::move(task.ranks), e.ending, at, task.root});
    task.ranks.clear();
    task.root = {};
    task.placed = {};
    task.lease = {};
    task.not_before = e.not_before;
    task.first_failed.reset();
    task.stop.reset();
    task.leave_results = false;
    if (!was_interrupted(e.ending)) {  // which took none
      task.deliver_signal = 0;
      task.deliver_sequence = 0;
    }
    task.warned = false;
    --of.running_tasks;
    if (!of.spec.array.empty()) of.again.insert(e.task.task);
    settle(ledger, of, at);
  }

  void operator()(const RootDerived& e) {
    Job& of = job(e.task.job);
    if (e.attempt == 1) {
      if (const JobId setup = awaited_setup(of)) stop_following(ledger, setup, of.id);
      of.root = e.tree;
      if (!e.volume_tree.is_zero()) of.volume_tree = e.volume_tree;
    } else {
      of.tasks.at(e.task.task).root = e.tree;
    }
  }

  void operator()(const SetupDecided& e) {
    Job& of = job(e.job);
    if (const JobId before = awaited_setup(of)) stop_following(ledger, before, of.id);
    of.setup = e.use;
    if (const JobId run = awaited_setup(of)) ledger.followers[run].insert(of.id);
  }

  void operator()(const JobReshaped& e) { job(e.job).spec.per_node = e.per_node; }

  void operator()(const TimeLimitNear& e) {
    Job& of = job(e.task.job);
    Task& task = of.tasks.at(e.task.task);
    task.warned = true;
    task.deliver_signal = of.spec.warn_signal;
    ++task.deliver_sequence;
  }

  void operator()(const JobArchived& e) {
    const Job& over = job(e.job);
    const auto request = ledger.requests.find({over.spec.user, over.request_id});
    if (request != ledger.requests.end() && request->second == e.job) {
      ledger.requests.erase(request);
    }
    ledger.ended.erase({over.outcome->at, e.job});
    if (over.spec.group.size != 0) {
      const auto group = ledger.groups.find(group_leader(over.spec, e.job));
      group->second.erase(e.job);
      if (group->second.empty()) ledger.groups.erase(group);
    }
    if (!e.user.empty()) ledger.past_use[e.user] = e.use;
    ledger.jobs.erase(e.job);
  }

  void operator()(const Carried& e) {
    ledger.next_job = std::max(ledger.next_job, e.next_job);
    for (const auto& [user, use] : e.use) ledger.past_use[user] = use;
  }

  // What was placed had perhaps begun, whether or not its node had said so by then.
  void operator()(const Restored& e) {
    ledger.next_job = std::max(ledger.next_job, e.next_job);
    ledger.restored = {e.backup, ledger.next_job, {}};
    for (const auto& [name, node] : ledger.nodes) {
      if (!node.lost) ledger.restored.awaited.insert(name);
      for (const AttemptKey& key : node.live) {
        job(key.job).tasks.at(key.task).ranks[key.rank].reported = true;
      }
    }
  }

  void operator()(const TimeLimitReached& e) {
    job(e.task.job).tasks.at(e.task.task).stop = EndCause::kTimedOut;
  }
};

}  // namespace

void apply(Ledger& ledger, const Event& event) {
  std::visit(Apply{ledger, event.at}, event.kind);
}

}  // namespace devrun::controller
