// What is to be done about pilots, as a function of what the controller and Slurm say just now. Pure. Which pilots there
// are stands in Slurm (the job's name and comment), which nodes in the controller: whoever decides may be killed and begin
// anew at any point. What Memory holds besides are clocks that may as well begin again.
//
// A pilot's life:
//
//   (jobs wait) ─Ask─▶ pending ─Slurm─▶ running ─Admit─▶ its node is up ─(idle, or the end is near)─▶ Drain ─▶ Cancel
//                        └──(nobody waits any more) Cancel                                                     │
//   Slurm says that it has ended ◀── time limit, scancel, preemption, a crash ◀────────────────────────────────┘
//      └─Retire─▶ its certificate is void, its jobs are over, its node is listed no more; its name may be used again
//
// Surprises: a name is used again only once its node is retired, so the one in Slurm and the one at the controller are never
// two. Of an allocation that Slurm does not know (any more), or whose node it has lost sight of, nobody knows that it is over:
// its node is retired only after a silence that no lease outlives.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "cli/pilots/policy.h"
#include "common/base/time.h"
#include "common/model/job.h"
#include "common/model/node.h"

namespace devrun::pilots {

// ── what is seen ──
struct WaitingJob {
  JobId job = 0;
  JobSpec spec;
  uint32_t tasks = 1;    // that wait
  bool limited = false;  // by a limit of its user or pool: nodes would not help
};

enum class PilotState {
  kPending,
  kRunning,
  kEnding,    // its processes may still be there
  kOver,      // nothing of it is left
  kVanished,  // Slurm has lost sight of its node
};
// As Slurm has it.
struct Pilot {
  uint64_t job = 0;  // Slurm's
  std::string name;
  std::string kind;
  PilotState state = PilotState::kPending;
  std::optional<Duration> left;  // of a running one's time; none: no limit
};

// As the controller has it.
struct SeenNode {
  NodeHello hello;
  Resources used;
  bool connected = false;
  Time last_heard;
  uint32_t attempts = 0;
  std::string drained;  // why; empty: in use
  bool troubled = false;
};

struct Seen {
  Time now;
  std::vector<WaitingJob> waiting;  // in the order in which they are considered
  std::vector<Pilot> pilots;        // also some that are over
  std::vector<SeenNode> nodes;
};

// ── what is remembered; all of it may be lost ──
struct Pause {
  Time until;
  Duration length;
};
struct Memory {
  std::map<uint64_t, Time> idle_since;      // by Slurm's job
  std::map<uint64_t, Time> unneeded_since;  // likewise, pending ones
  std::map<uint64_t, Time>
      needed_since;  // likewise, of an idle one: something waits that it could run
  struct Admitted {
    Time first, last;
  };
  std::map<uint64_t, Admitted> admitted;  // likewise: when it was let in
  std::set<uint64_t> came_up;             // likewise: its node was seen
  std::set<std::string> voided;           // names that are nobody's, of which no certificate counts
  // Kinds that are not asked for just now: Slurm has refused one; one has ended before its node came up; one was there and
  // what waits did not begin there.
  std::map<std::string, Pause> refused, failed, useless;
};
void put_off(Pause& pause, Time now, Duration first, Duration longest);

// ── what is to be done ──
struct Ask {
  std::string name;
  std::string kind;
};
struct Admit {  // its node may join the cluster
  uint64_t job = 0;
  std::string name;
};
struct Drain {
  std::string name;
  std::string reason;
};
struct Undrain {
  std::string name;
};
struct Cancel {
  uint64_t job = 0;
  std::string name;
  std::string reason;
};
struct Retire {
  std::string name;
};
struct Blame {  // nothing is to be done, but to tell: it has ended before its node came up
  uint64_t job = 0;
  std::string name;
};
struct Void {  // no certificate of that name counts; once it is done, Memory.voided has it
  std::string name;
};
using Action = std::variant<Ask, Admit, Drain, Undrain, Cancel, Retire, Blame, Void>;
std::string to_string(const Action& action);

// How the reasons of our own drains begin.
inline constexpr std::string_view kDrainedByUs = "devrun-slurm: ";

std::vector<Action> decide(const Policy& policy, const Seen& seen, Memory& memory);

}  // namespace devrun::pilots
