// What the controller knows, as far as a restart finds it again: `Ledger` is a fold over the journal's events (apply.h)
// and nothing else. state.h has what it does forget.
//
// A task (a whole job, or one of an array) goes
//
//   QUEUED ──TaskPlaced──▶ ranks: STARTING ─▶ SETTING_UP ─▶ RUNNING ─▶ COMPLETING ─▶ ended
//   ──TaskEnded──▶ outcome
//      │└─────────────────────────── TaskEnded (cancelled, dependency failed)
//      │ ────────────────────────────▶
//      └◀── TaskRetried (the attempt has failed and another may follow; its ranks become `past`)
//
// Array tasks come into being when they are placed or ended; `array_passed` counts the positions
// behind.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/boxed.h"
#include "common/base/time.h"
#include "common/model/attempt.h"
#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "controller/core/past_use.h"

namespace devrun::controller {

struct Rank {
  std::string node;
  Phase phase = Phase::kStarting;
  bool reported = false;    // the agent has said that it knows the attempt
  bool setup_done = false;  // waits, with kSettingUp, for the other ranks
  Boxed<Ending> ending;
  int64_t output_bytes = 0;  // of the log; final with the ending
  Boxed<WrittenSummary> wrote;
  Timeline timeline;                // the agent's part
  std::vector<uint32_t> gpus = {};  // of its node's, by index
  Boxed<Usage> usage = {};          // with the ending
  bool operator==(const Rank&) const = default;
};

struct Outcome {
  JobState state = JobState::kFailed;
  Ending ending;
  Time at;
  bool operator==(const Outcome&) const = default;
};

// An attempt that has failed and was followed, or will be, by another.
struct PastAttempt {
  Time placed;
  std::vector<Rank> ranks;
  Ending ending;
  Time ended;
  Digest root;  // what it began with, if that was not the job's
  bool operator==(const PastAttempt&) const = default;
};

struct Task {
  uint32_t attempt = 0;  // the newest that was placed; 0: none
  Time placed;
  Duration lease;                 // of that attempt; 0: none
  std::vector<Rank> ranks;        // of that attempt; none while the task waits to be placed (again)
  std::vector<PastAttempt> past;  // the first is attempt 1
  Digest root;                    // of the next or present attempt, if it is not the job's
  Time not_before;                // of the next attempt
  bool warned = false;            // the signal before the time limit has been sent to this attempt
  std::optional<uint32_t>
      first_failed;              // the rank whose ending is the task's; the others are stopped
  std::optional<EndCause> stop;  // asked to end: kCancelled, kTimedOut
  Boxed<std::string> stop_reason = {};  // as Cancel's, if there was one
  bool leave_results = false;           // of this attempt: what has not come home stays on its node
  // Its job was cancelled while its results were on their way: they come home, but no attempt follows.
  bool is_last = false;
  int32_t deliver_signal = 0;
  uint32_t deliver_sequence = 0;
  Boxed<Outcome> outcome;
  bool operator==(const Task&) const = default;
};

inline bool is_placed(const Task& task) {
  return !task.ranks.empty();
}

// All of its programs have ended, and some of what they wrote has not come.
inline bool only_completes(const Task& task) {
  bool completes = false;
  for (const Rank& rank : task.ranks) {
    if (rank.ending) continue;
    if (rank.phase != Phase::kCompleting) return false;
    completes = true;
  }
  return completes && !task.outcome;
}

struct Job {
  JobId id = 0;
  std::string request_id;
  JobSpec spec;
  Timeline timeline;
  std::map<int32_t, Task> tasks;
  uint64_t array_passed = 0;
  std::set<int32_t> again;     // of an array: tasks behind that wait for another attempt
  uint32_t running_tasks = 0;  // placed, without outcome
  uint32_t open_tasks = 0;     // in `tasks`, without outcome
  uint32_t failed_tasks = 0;   // ended otherwise than SUCCEEDED
  bool closed = false;         // no further task will be made of the array
  Digest root;        // of its tasks, if it waited for others: its tree with what these wrote
  bool kept = false;  // cancel_on_disconnect counts for nothing any more
  std::optional<Outcome> outcome;
  Boxed<SetupUse> setup = {};      // once it is decided
  Boxed<Digest> volume_tree = {};  // as Root's, of `root`
  bool operator==(const Job&) const = default;
};

struct Node {
  NodeHello hello;
  bool lost = false;             // declared so, and not heard of since
  std::string drained;           // why an operator took it out of use; empty: in use
  std::set<AttemptKey> live;     // placed here and not ended
  Resources used;                // by those of them whose programs have not ended
  std::set<uint32_t> gpus_used;  // by these, by index
  // Of those that are shared: how much of each is given, in thousandths, and to how many.
  struct Shares {
    int32_t milli = 0;
    uint32_t holders = 0;
    bool operator==(const Shares&) const = default;
  };
  std::map<uint32_t, Shares> gpu_shares;
  bool operator==(const Node&) const = default;
};

// Jobs that have a task to place, in the order in which they are considered.
struct QueueKey {
  int64_t minus_priority = 0;
  JobId job = 0;
  auto operator<=>(const QueueKey&) const = default;
};

// Jobs that have left the ledger for the history (core/archive.h) and were asked for since: no part of the fold. What
// they are does not change any more.
struct RecalledJobs {
  struct One {
    Job job;
    Time at;  // when it was asked for last
  };
  std::map<JobId, One> jobs;
  bool operator==(const RecalledJobs&) const { return true; }
};

// Since the controller went back to a backup (restore.h).
struct Restoration {
  Time backup;                    // of when that was; 0: it never did
  JobId before = 0;               // jobs with lower numbers were submitted before it went back
  std::set<std::string> awaited;  // nodes that have not said since what they run
  bool operator==(const Restoration&) const = default;
};

struct Ledger {
  JobId next_job = 1;
  std::map<JobId, Job> jobs;
  std::set<std::pair<Time, JobId>>
      ended;  // of these, the ones that have their outcome, by its time
  // Jobs without outcome, by what they wait, or waited, for, archived ones too.
  std::map<JobId, std::set<JobId>> followers;
  // Of each group, by its leader: its members, ended ones too for as long as they are here (core/group.cc).
  std::map<JobId, std::set<JobId>> groups;
  RecalledJobs recalled;
  std::map<std::string, PastUse> past_use;                        // by user, of archived jobs
  std::map<std::pair<std::string, std::string>, JobId> requests;  // (user, request id)
  std::map<std::string, Node> nodes;
  std::set<QueueKey> queue;
  std::map<std::string, JobId> dev_containers;   // by volume: the one that lives
  std::map<Digest, std::set<JobId>> setup_runs;  // by SetupOnce.key: those that live; none is empty
  Restoration restored;
  bool operator==(const Ledger&) const = default;
};

inline constexpr uint64_t kArrayTasksMax = 100'000;

// The tree that a task is to begin with must be made before (DeriveRoot).
struct Deriving {
  TaskKey task;  // kNoTask of an array: for all its tasks
  uint32_t attempt = 1;
  auto operator<=>(const Deriving&) const = default;
};

// ── looking things up ──
// Also one that has been recalled. Wherever a job may have ended long ago this is the way to it, not `jobs`.
const Job* find_job(const Ledger& ledger, JobId id);
const Task* find_task(const Ledger& ledger, TaskKey key);
// Of the task's present attempt or one of its past ones.
const Rank* find_rank(const Ledger& ledger, const AttemptKey& key);
// When the rank's program began, by our clock. Its node's may be behind, and then only spans that it measured are true.
Time program_began(const Task& task, const Rank& rank);
// The job's tree without what it was given and the volume has not: uploads, and what its setup step wrote. Zero: it was given nothing.
Digest volume_tree_of(const Job& job);
// What the attempt begins, or began, with.
const Digest& root_of_attempt(const Job& job, const Task& task, uint32_t attempt);
// The jobs that this one was to start after: after, after_ok, after_fail.
std::vector<JobId> dependencies(const JobSpec& spec);
bool waits_for_others(const JobSpec& spec);
bool has_setup_once(const JobSpec& spec);
// The setup step's run for which it waits; 0: none.
JobId awaited_setup(const Job& job);
// All for which it waits, or waited.
std::vector<JobId> awaited(const Job& job);
// What must be made before the task's next attempt can be placed; nothing if it is there.
std::optional<Deriving> root_to_derive(const Job& job, TaskKey task);
JobState state_of_ending(const Ending& ending);

// ── arrays ──
// Ranges that share a task become others that name each once, in order. At most kArrayTasksMax tasks in all.
void merge_overlaps(std::vector<ArrayRange>& ranges);
// These, in order, as few ranges; what is named twice counts once.
std::vector<ArrayRange> ranges_of(const std::vector<int32_t>& tasks);
uint64_t array_size(const JobSpec& spec);  // 0: no array
int32_t array_task_at(const JobSpec& spec, uint64_t position);
uint64_t array_position_of(const JobSpec& spec, int32_t task);  // the first, where ranges overlap
bool array_has(const JobSpec& spec, int32_t task);
// The task that would be placed next.
std::optional<int32_t> next_task(const Job& job);

}  // namespace devrun::controller
