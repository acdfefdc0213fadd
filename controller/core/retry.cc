// Another attempt after one that failed, and the end of attempts on nodes that have been silent for longer than a lease.
//
// An attempt that may be followed holds a lease (AttemptSpec.lease), which its node renews with every answered call. A
// node without answers ends it at expiry, by itself; here that counts as done once the node has been silent for the
// lease and a margin more. So at most one attempt of a task runs, although nobody can ask the node. An attempt without a
// lease is waited for, until its node says what became of it or an operator says that it is lost.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"
#include "common/model/ending.h"
#include "common/model/limits.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

constexpr uint32_t kDoublingsMax = 20;
// Of set-ups of a task that agents did not finish: what kills an agent each time should end somewhere.
constexpr uint32_t kInterruptedMax = 5;

Duration pause_before(const Policy& policy, uint32_t attempt) {
  const uint32_t doublings = std::min(attempt - 1, kDoublingsMax);
  return {std::min(policy.retry_pause.us << doublings, policy.retry_pause_max.us)};
}

// Other ranks may have begun where the setup is one that no rank waits for.
bool none_began(const std::vector<Rank>& ranks) {
  const auto began = [](const Rank& rank) {
    if (rank.timeline.started.us != 0) return true;
    return rank.ending && rank.ending->cause != EndCause::kNotStarted &&
           rank.ending->cause != EndCause::kCancelled;
  };
  return std::none_of(ranks.begin(), ranks.end(), began);
}

// Beginning anew after these repeated nothing, and was no retry that somebody has to ask for.
uint32_t interruptions(const Task& task) {
  return static_cast<uint32_t>(
      std::count_if(task.past.begin(), task.past.end(), [](const PastAttempt& past) {
        return was_interrupted(past.ending) && none_began(past.ranks);
      }));
}

// A setup step of its own has retries of its own (setup_once.cc).
bool is_free(const Job& job, const Ending& ending) {
  return !job.spec.setup_run && is_retried_in_any_case(job.spec, ending);
}

// Of the attempts that have ended, those that were not counted.
uint32_t free_ones(const Job& job, const Task& task) {
  return static_cast<uint32_t>(
      std::count_if(task.past.begin(), task.past.end(), [&](const PastAttempt& past) {
        const bool begins_anew = was_interrupted(past.ending) && none_began(past.ranks);
        return !begins_anew && is_free(job, past.ending);
      }));
}

// All leased attempts of the node are over.
void expire(Turn& turn, const std::string& name, Duration silent) {
  const std::set<AttemptKey> live = turn.state.nodes.at(name).live;
  for (const AttemptKey& key : live) {
    const Duration lease = find_task(turn.state, key.task_key())->lease;
    if (lease.us == 0 || silent < lease + turn.state.policy.lease_margin) continue;
    ObservedAttempt gone;
    gone.key = key;
    gone.phase = Phase::kEnded;
    gone.timeline = find_rank(turn.state, key)->timeline;
    gone.ending = Ending{EndCause::kLost, 125,
                         fmt::format("{} has been silent for longer than the attempt's lease of {}",
                                     name, format_duration(lease)),
                         "devrun logs " + to_string(key.task_key())};
    turn.happened(AttemptReported{name, gone});
    turn.presence(name).usage.erase(key);
    turn.act(TaskChanged{key.task_key()});
    rank_ended(turn, key.task_key());
  }
}

}  // namespace

bool may_retry(const Job& job, const Task& task, const Ending& ending) {
  if (job.closed || task.stop == EndCause::kCancelled || task.is_last) return false;
  const uint32_t interrupted = interruptions(task);
  if (was_interrupted(ending) && none_began(task.ranks)) return interrupted < kInterruptedMax;
  if (ending.cause == EndCause::kCancelled || state_of_ending(ending) == JobState::kSucceeded) {
    return false;
  }
  const uint32_t begun = task.attempt - interrupted;
  if (begun > kRetriesMax) return false;
  if (is_free(job, ending)) return true;
  if (begun - free_ones(job, task) > job.spec.retries) return false;
  const std::vector<int32_t>& on = job.spec.retry_on;
  if (!on.empty()) return std::find(on.begin(), on.end(), ending.status) != on.end();
  return ending.cause != EndCause::kTimedOut;
}

uint64_t attempts_max(const Job& job, const Task& task) {
  const bool only_counted = job.spec.setup_run || !has_free_retries(job.spec);
  return (only_counted ? uint64_t{job.spec.retries} : kRetriesMax) + 1 + interruptions(task);
}

void retry(Turn& turn, TaskKey key, Ending ending) {
  const Task& task = *find_task(turn.state, key);
  const Time not_before = turn.now + pause_before(turn.state.policy, task.attempt);
  turn.happened(TaskRetried{key, std::move(ending), not_before});
  turn.act(TaskChanged{key});
}

void enforce_leases(Turn& turn) {
  Presence& all = turn.state.presence;
  const Duration past = turn.now - all.last_tick;
  const Duration counts =
      all.last_tick.us == 0 ? Duration{} : std::clamp(past, Duration{}, kTickCountsAtMost);
  all.last_tick = turn.now;
  std::vector<std::string> silent;
  auto at = all.nodes.begin();  // both are in the order of names
  for (const auto& [name, node] : turn.state.nodes) {
    while (at != all.nodes.end() && at->first < name) ++at;
    if (at == all.nodes.end() || at->first != name) at = all.nodes.try_emplace(at, name);
    NodePresence& presence = at->second;
    presence.silent = presence.session != 0 ? Duration{} : presence.silent + counts;
    if (presence.silent.us != 0 && !node.live.empty()) silent.push_back(name);
  }
  for (const std::string& name : silent) expire(turn, name, turn.presence(name).silent);
}

}  // namespace devrun::controller
