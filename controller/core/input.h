// What reaches the core: requests of users, news of agents, time. The shell (rpc/core_loop.h) turns
// calls into these.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/attempt.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "controller/core/policy.h"
#include "controller/core/state.h"

namespace devrun::controller {

struct Submit {
  std::string request_id;
  JobSpec spec;  // complete: owner, tree, sealed environment
  Timeline timeline;
  // Of a job that waits for no other: its setup step has run before, and this is the tree with what it wrote. None: it
  // was not looked for, or not found, and DeriveRoot looks.
  struct SetupHit {
    Digest tree;
    JobId from = 0;
    std::string why;
  };
  std::optional<SetupHit> setup_hit = {};
};
struct Cancel {
  TaskKey task;             // kNoTask: the whole job
  int32_t signal = 0;       // 0: end it; else deliver this one
  std::string reason = {};  // who or what wants the end, if that is not a user's command
};
// A caller leaves the job on purpose (cancel_on_disconnect).
struct Keep {
  JobId job = 0;
};
// An agent has opened its held call. Sessions are numbered by the shell; the newest wins.
struct Synchronized {
  NodeHello hello;
  uint64_t session = 0;
  std::vector<ObservedAttempt> observed;  // all that it knows
  std::string trouble = {};               // why no job can run there; empty: none
  Counts files = {};                      // what its file system counts
};
struct Reported {
  std::string node;
  std::vector<ObservedAttempt> observed;    // those that changed
  std::optional<std::string> trouble = {};  // if it changed; empty: none
  Counts files = {};                        // what its file system counts, if it changed
};
struct NodeGone {
  std::string node;
  uint64_t session = 0;
};
// The whole output of an ended attempt is durable here.
struct OutputStored {
  AttemptKey key;
  // Its length, if that is less than was told: its node has lost the rest with its power.
  std::optional<int64_t> bytes = {};
};
struct DeclareLost {
  std::string node;
  std::string reason;
};
struct Drain {
  std::string node;
  bool drained = false;
  std::string reason;  // with `drained`
  std::string user;
};
// The operator has decided otherwise. Forgotten by a restart, which reads the file itself.
struct SetPolicy {
  Policy policy;
};
// In answer to DeriveRoot.
struct Derived {
  TaskKey task;
  uint32_t attempt = 1;
  Result<Digest> tree;  // where a setup step must run: what it is to begin with
  // Where a setup step was asked for.
  struct Setup {
    SetupHow how = SetupHow::kCold;
    Digest plain;    // the tree without what setup steps wrote
    JobId from = 0;  // whose results it is, or begins with; 0: none
    std::string why;
    // The one that failed asked for nothing that is otherwise in `plain`: it would fail there as well.
    bool stands = false;
  };
  std::optional<Setup> setup = {};
  Digest volume_tree =
      {};  // as Root's; zero: nothing that came before keeps to itself what it wrote
};
// The history has these jobs, durably: they may leave memory.
struct Archived {
  std::vector<JobId> jobs;
};
// A job as the history has it, for somebody who asked.
struct Recall {
  Job job;
};
// All attempts whose GPUs have done nothing for a while, as their nodes' samples say; whenever that has changed.
struct GpusIdle {
  std::map<AttemptKey, IdleGpus> attempts;
};
// The journal that was replayed is a backup, of that time (restore.h).
struct Restore {
  Time backup;
  JobId next_job = 1;                  // higher than any that was given since
  std::vector<AttemptKey> begun = {};  // of which the store has something, known here or not
};
// Once a second.
struct Tick {};
// Place what can be placed: once after each batch of inputs, not after each input.
struct Place {};

using Input =
    std::variant<Submit, Cancel, Keep, Synchronized, Reported, NodeGone, OutputStored, DeclareLost,
                 Drain, SetPolicy, Derived, Archived, Recall, GpusIdle, Restore, Tick, Place>;

}  // namespace devrun::controller
