#include "controller/core/restore.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>

namespace devrun::controller {

namespace {

constexpr size_t kNodesNamed = 5;

std::string in_utc(Time time) {
  const auto seconds_since = static_cast<time_t>(time.us / 1'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds_since, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

bool has_task(const Job& job, int32_t task) {
  return job.spec.array.empty() ? task == kNoTask : array_has(job.spec, task);
}

// Ranks that live are those of an attempt that another has followed.
void end_ranks(Turn& turn, TaskKey key, const Ending& ending) {
  const Task& task = *find_task(turn.state, key);
  for (uint32_t i = 0; i < task.ranks.size(); ++i) {
    if (task.ranks[i].ending) continue;
    ObservedAttempt gone;
    gone.key = {key.job, key.task, i, task.attempt};
    gone.phase = Phase::kEnded;
    gone.timeline = task.ranks[i].timeline;
    gone.ending = ending;
    const std::string node = task.ranks[i].node;
    turn.happened(AttemptReported{node, gone});
  }
}

}  // namespace

void restore(Turn& turn, const Restore& input) {
  turn.happened(Restored{input.backup, std::max(turn.state.next_job, input.next_job)});
  for (const AttemptKey& key : input.begun) begun_since_backup(turn, key);
}

bool awaits_nodes(const Ledger& ledger) {
  return !ledger.restored.awaited.empty();
}

std::string why_nothing_is_placed(const Ledger& ledger) {
  const auto& awaited = ledger.restored.awaited;
  std::vector<std::string> named;
  for (const std::string& node : awaited) {
    if (named.size() == kNodesNamed) break;
    named.push_back(node);
  }
  if (awaited.size() > named.size()) {
    named.push_back(fmt::format("{} more", awaited.size() - named.size()));
  }
  return fmt::format(
      "the controller went back to a backup, and nothing starts until {} {} said what runs there; "
      "of one that will not come back say `devrun nodes lost {}`",
      fmt::join(named, ", "), awaited.size() == 1 ? "has" : "have", named.front());
}

void begun_since_backup(Turn& turn, const AttemptKey& key) {
  const Restoration& restored = turn.state.restored;
  if (restored.backup.us == 0 || key.job >= restored.before) return;
  const auto job = turn.state.jobs.find(key.job);
  if (job == turn.state.jobs.end() || job->second.outcome || !has_task(job->second, key.task)) {
    return;
  }
  const TaskKey of = key.task_key();
  const Task* const task = find_task(turn.state, of);
  if (task != nullptr && (task->outcome || key.attempt <= task->attempt)) return;
  const Ending ending = lost_with_backup(turn.state, of);
  if (task != nullptr) end_ranks(turn, of, ending);
  end_task(turn, of, JobState::kNodeLost, ending);
}

Ending lost_with_backup(const Ledger& ledger, TaskKey task) {
  return {
      EndCause::kLost, 125,
      fmt::format("the controller went back to its backup of {}; this began or ended after that, "
                  "and how it ended is not known",
                  in_utc(ledger.restored.backup)),
      fmt::format("devrun logs {}, and devrun rerun {}", to_string(task), task.job)};
}

}  // namespace devrun::controller
