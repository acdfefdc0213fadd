// All that decisions are made of: the Ledger (ledger.h), which a restart finds again; Presence, which agents say again: who
// is connected, whose output has arrived; and the Schedule (schedule.h), which follows from both.
#pragma once

#include "controller/core/ledger.h"
#include "controller/core/policy.h"
#include "controller/core/schedule.h"

namespace devrun::controller {

struct NodePresence {
  uint64_t session = 0;  // of the held call; 0: not connected
  Time last_heard;
  std::string trouble;            // why nothing is placed there; empty: none
  Counts files;                   // what its file system counts, for people
  std::set<AttemptKey> retained;  // ended; the agent keeps them until their output is stored here
  std::set<AttemptKey> strays;    // run there although they are over for us: to be killed
  // How long it has not been connected, counted while this controller ran: by ticks, so that neither an outage of ours
  // nor a step of the clock counts.
  Duration silent;
  std::map<AttemptKey, Usage> usage;        // of what lives there, as last told
  std::map<AttemptKey, std::string> waits;  // why what is STARTING there cannot go on just now
};

// Of an attempt: how long none of its GPUs has done anything, and what of their memory it holds.
struct IdleGpus {
  Duration idle;
  uint32_t gpus = 0;
  int64_t memory_bytes = 0;
};

struct Presence {
  Time started;    // of this controller
  Time last_tick;  // 0: none yet
  std::map<std::string, NodePresence> nodes;
  std::set<Deriving> deriving;  // asked for and not answered
  std::map<AttemptKey, IdleGpus> gpus_idle;
};

struct State : Ledger {
  Presence presence;
  Policy policy;
  Schedule schedule;
};

// Whether more of that attempt's output may come from a node that is here: it has said that it has it, or is to say once
// more how the attempt ended.
bool has_output(const NodePresence& presence, const AttemptKey& key);

inline constexpr Duration kSilentAfter = seconds(15);
inline constexpr Duration kTickCountsAtMost = seconds(2);
inline constexpr size_t kAttemptsPerNodeMax = 1024;

bool is_connected(const State& state, const std::string& node);
// Why nothing is placed on a node that is connected; empty: no reason.
const std::string& trouble_of(const State& state, const std::string& node);
bool is_silent(const State& state, const std::string& node, Time now);

}  // namespace devrun::controller
