// What agents say of attempts. A report may be late, repeated, or about an attempt that is over for
// us: phases only go forward, an ending is final, and what runs without being wanted is killed.
#include <algorithm>

#include "controller/core/gpu_news.h"
#include "controller/core/group.h"
#include "controller/core/restore.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

void report_unwanted(Turn& turn, const std::string& node, const ObservedAttempt& observed) {
  NodePresence& presence = turn.presence(node);
  turn.state.schedule.node_changed(node);  // which takes nothing while it has strays
  if (observed.phase == Phase::kEnded) {
    presence.strays.erase(observed.key);
    turn.act(Release{node, observed.key});
  } else if (presence.strays.insert(observed.key).second) {
    turn.act(SendDesired{node, observed.key});
  }
}

// Nothing to keep: an agent that says hello tells it again. True if it changed.
bool note_wait(NodePresence& presence, const ObservedAttempt& observed) {
  if (observed.waits_for.empty()) return presence.waits.erase(observed.key) != 0;
  std::string& known = presence.waits[observed.key];
  if (known == observed.waits_for) return false;
  known = observed.waits_for;
  return true;
}

}  // namespace

void report(Turn& turn, const std::string& node, const ObservedAttempt& observed, bool in_hello) {
  const AttemptKey& key = observed.key;
  const Rank* rank = find_rank(turn.state, key);
  if (rank == nullptr || rank->node != node) {
    begun_since_backup(turn, key);
    report_unwanted(turn, node, observed);
    return;
  }
  if (rank->ending) {
    if (observed.phase != Phase::kEnded) {
      // Declared lost, and back, or found by an agent that has just begun. But an end that a node has told is true, and
      // news that say otherwise are older.
      const bool is_late = !in_hello && rank->ending->cause != EndCause::kLost;
      if (!is_late) report_unwanted(turn, node, observed);
      return;
    }
    if (turn.presence(node).strays.erase(key) != 0) turn.state.schedule.node_changed(node);
    turn.presence(node).retained.insert(key);
    // With its power a node may have lost the end of what it had promised.
    turn.act(ExpectOutput{key, std::min(rank->output_bytes, observed.output_bytes)});
    return;
  }
  if (observed.phase < rank->phase) return;
  const bool program_ends =
      rank->phase < Phase::kCompleting && observed.phase >= Phase::kCompleting;
  const bool setup_done = observed.setup_done && !rank->setup_done;
  const bool news = !rank->reported || observed.phase != rank->phase || setup_done ||
                    observed.timeline != rank->timeline;
  if (observed.usage && observed.phase != Phase::kEnded) {
    turn.presence(node).usage[key] = *observed.usage;
  }
  if (note_wait(turn.presence(node), observed) && !news) turn.act(TaskChanged{key.task_key()});
  if (!news) return;
  turn.happened(AttemptReported{node, with_gpu_trouble(turn.state, node, *rank, observed)});
  turn.act(TaskChanged{key.task_key()});
  if (setup_done) {  // it may have been the last
    send_desired(turn, key.task_key());
    member_is_ready(turn, key.job);
  }
  // Other ranks may have stayed for it.
  if (program_ends && key.rank == 0 && find_task(turn.state, key.task_key())->ranks.size() > 1) {
    send_desired(turn, key.task_key());
  }
  if (observed.phase != Phase::kEnded) return;
  turn.presence(node).usage.erase(key);
  turn.presence(node).retained.insert(key);
  turn.act(ExpectOutput{key, observed.output_bytes});
  rank_ended(turn, key.task_key());
}

void output_stored(Turn& turn, const OutputStored& input) {
  const Rank* rank = find_rank(turn.state, input.key);
  if (rank == nullptr || !rank->ending) return;
  const bool is_cut = input.bytes && *input.bytes < rank->output_bytes;
  if (is_cut && turn.state.jobs.count(input.key.job) != 0) {
    ObservedAttempt cut;
    cut.key = input.key;
    cut.phase = Phase::kEnded;
    cut.ending = *rank->ending;
    cut.output_bytes = *input.bytes;
    turn.happened(AttemptReported{rank->node, cut});
    turn.act(TaskChanged{input.key.task_key()});
  }
  const auto presence = turn.state.presence.nodes.find(rank->node);
  if (presence == turn.state.presence.nodes.end()) return;
  if (presence->second.retained.erase(input.key) != 0) turn.act(Release{rank->node, input.key});
}

}  // namespace devrun::controller
