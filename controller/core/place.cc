// Waiting tasks get their nodes (schedule.h chooses).
#include "controller/core/turn.h"

namespace devrun::controller {

void place(Turn& turn) {
  const State& state = turn.state;
  while (std::optional<Placement> found = turn.state.schedule.next(state, turn.now)) {
    Placement& placement = *found;
    const TaskKey task = placement.task;
    // The last one that may be is never given up by its node.
    const Job& job = *find_job(turn.state, task.job);
    const Task* const known = find_task(turn.state, task);
    static const Task kNew;
    const bool may_follow = placement.attempt < attempts_max(job, known == nullptr ? kNew : *known);
    turn.happened(TaskPlaced{task, placement.attempt, std::move(placement.nodes),
                             std::move(placement.gpus),
                             may_follow ? turn.state.policy.lease : Duration{}});
    send_desired(turn, task);
    turn.act(TaskChanged{task});
  }
}

void send_desired(Turn& turn, TaskKey key) {
  const Task* task = find_task(turn.state, key);
  if (task == nullptr) return;
  for (uint32_t i = 0; i < task->ranks.size(); ++i) {
    const Rank& rank = task->ranks[i];
    if (!rank.ending) turn.act(SendDesired{rank.node, {key.job, key.task, i, task->attempt}});
  }
}

}  // namespace devrun::controller
