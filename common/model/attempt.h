// What controller and agent tell each other about attempts: what should be (DesiredAttempt) and
// what is (ObservedAttempt). States, not commands: either side may repeat itself or restart at any
// point.
//
//   controller: desired  ──▶ kRun ──▶ kStop ──▶ (absent: released, the agent may clean up)
//   agent: observed          kStarting ─▶ kSettingUp ─▶ kRunning ─▶ kCompleting ─▶ kEnded
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/model/site_identity.h"

namespace devrun {

enum class Goal {
  kRun = 1,
  kStop = 2,  // end it: signal, grace, then KILL
};

// All that an agent needs to run an attempt; fixed for the attempt's life.
struct AttemptSpec {
  AttemptKey key;
  std::string job_name;
  std::string user;
  Root root;
  Program program;
  std::string
      env;  // opened: NAME=VALUE NUL …; filled in by the controller's edge, kept 0600 on the node
  Resources resources;
  uint32_t ranks = 1;
  std::vector<std::string> rank_addresses;  // by rank
  bool dev_container = false;
  uint32_t array_index = 0;         // of an array: this task's place in it
  uint32_t array_tasks = 0;         // 0: no array
  std::vector<uint32_t> gpus = {};  // of the node's, by index: these alone
  // Of an attempt that may be run again: it ends itself once its node has had no answer of the controller for so long,
  // and the controller, which hears nothing for longer, starts the next one only then. 0: it runs on, come what may.
  Duration lease = {};
  Duration time_limit = {};  // 0: none; the node keeps it too, for a controller that is away
  // On the node's CLOCK_BOOTTIME: when the lease ends unless it is renewed. The agent's to fill in, kept nowhere; 0: never.
  Time lease_until = {};
  PathRules paths = {};  // kinds of what it writes
  // A setup step, run once for jobs of so many ranks: what it asks of its tree is noted. 0: none.
  uint32_t setup_for_ranks = 0;
  bool reads_if_failed = false;  // and is told if it fails, too
  bool tmp_in_root = false;      // /tmp and /var/tmp are the tree's own
  Results results = Results::kHome;
  std::vector<std::string> point = {};  // NAME=VALUE: this task's point of a sweep, over `env`
  std::string group_name = {};          // empty: in no group
  std::string task_id =
      {};  // SKYPILOT_TASK_ID; empty, of an older controller: made of the job's number
  std::vector<std::string> task_ids = {};  // of all tasks of the job's file, in order
  // Of `user` on site mounts; filled in by the controller's edge; none: as the node's passwd has that name.
  std::optional<SiteIdentity> site_identity = {};
  bool nobody_on_sites =
      false;                  // they are no user any more: whoever has that name there is another
  std::string ssh_seed = {};  // of several ranks: 32 bytes, the same for all; kept 0600 on the node
  // The node's own to fill in, NAME=VALUE: which of the container's GPUs are the attempt's.
  std::vector<std::string> gpu_variables = {};
  bool operator==(const AttemptSpec&) const = default;
};

struct DesiredAttempt {
  AttemptKey key;
  Goal goal = Goal::kRun;
  EndCause stop_cause = EndCause::kCancelled;  // with kStop
  int32_t stop_signal = 15;
  Duration stop_grace = seconds(10);
  bool go = true;              // with kRun: every rank's setup is done
  bool leave_results = false;  // once completing: what has not come home stays on the node
  // Rank 0's program has ended: a rank whose own has, and which stays to be reached by ssh, ends.
  bool first_rank_ended = false;
  std::vector<std::string> hosts =
      {};  // with go, in a group: "ADDRESS NAME" of all ranks of all members
  bool operator==(const DesiredAttempt&) const = default;
};

enum class Phase {
  kStarting = 1,
  kSettingUp = 2,
  kRunning = 3,
  kCompleting = 4,
  kEnded = 5,
};

struct ObservedAttempt {
  AttemptKey key;
  Phase phase = Phase::kStarting;
  std::optional<Ending> ending;         // with kEnded
  int64_t output_bytes = 0;             // length of the output log; final with kEnded
  std::optional<WrittenSummary> wrote;  // with kEnded
  Timeline timeline;                    // the agent's part of it
  bool setup_done = false;              // with kSettingUp: it waits for the other ranks
  std::optional<Usage> usage = {};
  std::string waits_for =
      {};  // with kStarting: why it cannot go on just now, a sentence; empty: it does
  bool operator==(const ObservedAttempt&) const = default;
};

}  // namespace devrun
