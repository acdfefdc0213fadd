// One step in the making, and the verbs that it is made of. Private to controller/core.
#pragma once

#include <string>
#include <utility>

#include "controller/core/step.h"

namespace devrun::controller {

struct Turn {
  State& state;
  Time now;
  Decision decision;

  void happened(EventKind kind);
  void act(Effect effect) { decision.effects.push_back(std::move(effect)); }
  NodePresence& presence(const std::string& node) { return state.presence.nodes[node]; }
};

Result<Reply> submit(Turn& turn, const Submit& input);
Result<Reply> cancel(Turn& turn, const Cancel& input);
Result<Reply> keep(Turn& turn, const Keep& input);
Result<Reply> declare_lost(Turn& turn, const DeclareLost& input);
Result<Reply> drain(Turn& turn, const Drain& input);
void synchronize(Turn& turn, const Synchronized& input);
void heard(Turn& turn, const std::string& node);
void set_trouble(Turn& turn, const std::string& node, const std::string& trouble);
void set_files(Turn& turn, const std::string& node, const Counts& files);
void node_gone(Turn& turn, const NodeGone& input);
// `in_hello`: as one of all that the node has, not as news.
void report(Turn& turn, const std::string& node, const ObservedAttempt& observed, bool in_hello);
void output_stored(Turn& turn, const OutputStored& input);
void enforce_time_limits(Turn& turn);
void enforce_leases(Turn& turn);
void place(Turn& turn);
// Asks for the trees that are missing; whether some are there at once, so that more can be placed.
bool derive_roots(Turn& turn);
void root_derived(Turn& turn, const Derived& input);
// Of a job with a setup step that is run once (setup_once.cc): what is asked for with its tree, and what becomes of the
// answer.
void add_setup(const State& state, const Job& job, DeriveRoot& wanted);
void setup_found(Turn& turn, const Job& job, const Derived& found);
// A setup step's run is over: those that cannot begin without it end, too.
void setup_run_ended(Turn& turn, JobId run);
// The run that the job waited for, unless another waits for it still.
void give_up_setup(Turn& turn, const Job& job);
void archived(Turn& turn, const Archived& input);
void recall(Turn& turn, const Recall& input);
void forget_recalled(Turn& turn);

// After a rank of the task has ended: stops the others if it failed; if it was the last, ends the task or lets it wait
// for another attempt (retry.cc).
void rank_ended(Turn& turn, TaskKey task);
void end_task(Turn& turn, TaskKey task, JobState state, Ending ending);
// How many attempts it may come to as things are: its retries, and those of which nothing ran (common/model/ending.h);
// kRetriesMax of them if some are not counted.
uint64_t attempts_max(const Job& job, const Task& task);
bool may_retry(const Job& job, const Task& task, const Ending& ending);
void retry(Turn& turn, TaskKey task, Ending ending);
// After the whole of an array has been cancelled: what waits for it may be over with it.
void cancelled_whole(Turn& turn, JobId job);
// Tells the agents of all ranks that have not ended.
void send_desired(Turn& turn, TaskKey task);

}  // namespace devrun::controller
