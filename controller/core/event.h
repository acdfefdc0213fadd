// What has happened, as the journal keeps it: proto/devrun/v1/event.proto as a variant
// (journal/event_codec.cc translates). Events never fail to apply.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "common/base/time.h"
#include "common/model/attempt.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "controller/core/past_use.h"

namespace devrun::controller {

struct JobSubmitted {
  JobId job = 0;
  std::string request_id;
  JobSpec spec;
  Timeline timeline;
  bool operator==(const JobSubmitted&) const = default;
};
struct TaskPlaced {
  TaskKey task;
  uint32_t attempt = 1;
  std::vector<std::string> nodes;  // by rank
  std::vector<std::vector<uint32_t>> gpus =
      {};               // by rank, of its node's by index; empty: none asked for
  Duration lease = {};  // AttemptSpec.lease
  bool operator==(const TaskPlaced&) const = default;
};
struct AttemptReported {
  std::string node;
  ObservedAttempt observed;
  bool operator==(const AttemptReported&) const = default;
};
struct JobCancelRequested {
  TaskKey task;  // kNoTask: the whole job
  int32_t signal = 0;
  std::string reason = {};  // as Cancel's
  // Those whose programs have ended are meant, and nobody waits for their results; else the others.
  bool leave_results = false;
  bool operator==(const JobCancelRequested&) const = default;
};
struct TaskEnded {
  TaskKey task;
  JobState state = JobState::kFailed;
  Ending ending;
  Time journaled = {};  // when its JobSubmitted was durable, which that record itself cannot know
  bool operator==(const TaskEnded&) const = default;
};
struct NodeJoined {
  NodeHello hello;
  bool operator==(const NodeJoined&) const = default;
};
// An operator's word. What runs there goes on.
struct NodeDrained {
  std::string node;
  bool drained = false;
  std::string reason;
  std::string user;
  bool operator==(const NodeDrained&) const = default;
};
struct NodeDeclaredLost {
  std::string node;
  std::string reason;
  bool operator==(const NodeDeclaredLost&) const = default;
};
// All ranks of the present attempt have ended, it has failed, and another one is to follow.
struct TaskRetried {
  TaskKey task;
  Ending ending;
  Time not_before;
  bool operator==(const TaskRetried&) const = default;
};
// The job's own signal before its time limit is due.
struct TimeLimitNear {
  TaskKey task;
  bool operator==(const TimeLimitNear&) const = default;
};
struct TimeLimitReached {
  TaskKey task;
  bool operator==(const TimeLimitReached&) const = default;
};

// Its caller has left it on purpose: cancel_on_disconnect counts for nothing any more.
struct JobKept {
  JobId job = 0;
  bool operator==(const JobKept&) const = default;
};

// The tree that the next attempt of the task begins with, or, with attempt 1, all tasks of the job.
struct RootDerived {
  TaskKey task;
  uint32_t attempt = 1;
  Digest tree;
  Digest volume_tree = {};  // as Root's; zero: as before
  bool operator==(const RootDerived&) const = default;
};

// What the job's setup step comes to (setup_once.cc): found, or run by a job that this one now waits for.
struct SetupDecided {
  JobId job = 0;
  SetupUse use;
  bool operator==(const SetupDecided&) const = default;
};

// A waiting job asks for another of its alternatives (JobSpec.alternatives) from now on.
struct JobReshaped {
  JobId job = 0;
  Resources per_node;
  bool operator==(const JobReshaped&) const = default;
};

// The job has left the ledger: the history has it (archive.h). Its events need not be replayed any more.
struct JobArchived {
  JobId job = 0;
  std::string user = {};  // its owner,
  PastUse use = {};       // and what all archived jobs of theirs have used, this one included
  bool operator==(const JobArchived&) const = default;
};
// The first event of a journal from which jobs' events have gone: what the ledger still has of those. The journal
// makes it of JobArchived events (carry in archive.h).
struct Carried {
  JobId next_job = 1;
  std::map<std::string, PastUse> use = {};  // by user
  bool operator==(const Carried&) const = default;
};

// The journal is an earlier state of itself, of `backup` (restore.h); what was decided since then is not in it.
struct Restored {
  Time backup;
  JobId next_job = 1;
  bool operator==(const Restored&) const = default;
};

using EventKind = std::variant<JobSubmitted, TaskPlaced, AttemptReported, JobCancelRequested,
                               TaskEnded, NodeJoined, NodeDeclaredLost, TimeLimitReached, JobKept,
                               TaskRetried, TimeLimitNear, RootDerived, JobArchived, Carried,
                               NodeDrained, SetupDecided, Restored, JobReshaped>;

struct Event {
  Time at;
  EventKind kind;
  bool operator==(const Event&) const = default;
};

}  // namespace devrun::controller
