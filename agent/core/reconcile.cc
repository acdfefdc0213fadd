#include "agent/core/reconcile.h"

#include <algorithm>

#include "agent/core/attempt.h"
#include "common/base/check.h"

namespace devrun::agent {
namespace {

bool same_rank(const AttemptKey& a, const AttemptKey& b) {
  return a.task_key() == b.task_key() && a.rank == b.rank;
}

// A higher attempt number means that the lower are over: they get no grace.
void supersede_lower(State& state, const AttemptKey& key) {
  AttemptKey lowest = key;
  lowest.attempt = 0;
  for (auto it = state.attempts.lower_bound(lowest);
       it != state.attempts.end() && same_rank(it->first, key) && it->first < key; ++it) {
    DesiredAttempt& desired = it->second.desired;
    desired.goal = Goal::kStop;
    desired.stop_cause = EndCause::kLost;
    desired.stop_signal = 9;
    desired.stop_grace = {};
  }
}

bool lower_is_live(const State& state, const AttemptKey& key) {
  AttemptKey lowest = key;
  lowest.attempt = 0;
  for (auto it = state.attempts.lower_bound(lowest);
       it != state.attempts.end() && same_rank(it->first, key) && it->first < key; ++it) {
    if (it->second.observed.phase != Phase::kEnded) return true;
  }
  return false;
}

bool higher_is_known(const State& state, const AttemptKey& key) {
  const auto it = state.attempts.upper_bound(key);
  return it != state.attempts.end() && same_rank(it->first, key);
}

void accept_new(State& state, const DesiredItem& item, Time now, Effects& out) {
  const AttemptKey& key = item.attempt.key;
  const bool superseded = higher_is_known(state, key);
  supersede_lower(state, key);
  Attempt& attempt = state.attempts[key];
  attempt.desired = item.attempt;
  attempt.observed.key = key;
  attempt.observed.timeline.agent_received = now;
  out.push_back(OpenStreams{key});
  if (!item.spec) {
    end_unstarted(attempt, {EndCause::kLost, 125, "the node has no record of this attempt", ""},
                  out);
    return;
  }
  attempt.stage = Waiting{*item.spec};
  attempt.has_setup = !item.spec->program.setup.empty();
  attempt.time_limit = item.spec->time_limit;
  if (superseded) {
    end_unstarted(attempt, {EndCause::kNotStarted, 125, "a later attempt has taken its place", ""},
                  out);
  }
}

void accept(State& state, const DesiredItem& item, bool whole, Time now, Effects& out) {
  const auto it = state.attempts.find(item.attempt.key);
  if (it == state.attempts.end()) {
    accept_new(state, item, now, out);
  } else {
    Attempt& attempt = it->second;
    // Whoever wants something of what has ended has not heard of it, or heard older news after it (a hello that waited
    // for its connection).
    if (attempt.observed.phase == Phase::kEnded) out.push_back(Report{attempt.observed});
    if (attempt.released) return;  // what was released stays released
    want(attempt, item.attempt, now);
    if (whole) out.push_back(OpenStreams{item.attempt.key});
  }
  Attempt& attempt = state.attempts.at(item.attempt.key);
  if (item.deliver_signal != 0 && item.deliver_sequence > attempt.asked.delivered_sequence) {
    attempt.signal_to_deliver = item.deliver_signal;
    attempt.signal_sequence = item.deliver_sequence;
  }
}

void fold(State& state, const Desired& input, Time now, Effects& out) {
  if (input.whole) {
    for (auto& [key, attempt] : state.attempts) {
      const AttemptKey& known = key;
      attempt.released |=
          std::none_of(input.desired.begin(), input.desired.end(),
                       [&known](const DesiredItem& item) { return item.attempt.key == known; });
    }
  }
  for (const AttemptKey& key : input.released) {
    if (const auto it = state.attempts.find(key); it != state.attempts.end()) {
      it->second.released = true;
    }
  }
  for (const DesiredItem& item : input.desired) accept(state, item, input.whole, now, out);
  if (!state.leaving) return;
  for (auto& [key, attempt] : state.attempts) leave(attempt, *state.leaving, now);
}

void fold(State& state, const Found& input, Time now, Effects& out) {
  const auto it = state.attempts.find(input.key);
  if (it != state.attempts.end()) {
    on_found(it->second, input, now, out);
    return;
  }
  if (input.released) return;  // only its upper is still kept
  Attempt& attempt = state.attempts[input.key];
  attempt.desired.key = input.key;
  attempt.observed.key = input.key;
  attempt.stage = Finding{now, true};
  out.push_back(OpenStreams{input.key});
  on_found(attempt, input, now, out);
  supersede_lower(state, input.key);
  if (const auto higher = state.attempts.upper_bound(input.key);
      higher != state.attempts.end() && same_rank(higher->first, input.key)) {
    supersede_lower(state, higher->first);
  }
}

void fold(State& state, const FilesLost& input, Time now, Effects&) {
  for (auto& [key, attempt] : state.attempts) lose(attempt, input.reason, now);
}

void fold(State& state, const Leaving& input, Time now, Effects&) {
  state.leaving = input;
  for (auto& [key, attempt] : state.attempts) leave(attempt, input, now);
}

void fold(State&, const Tick&, Time, Effects&) {}

// All other inputs are about one attempt; one that is no longer known has been released.
template <typename OfOneAttempt>
void fold(State& state, const OfOneAttempt& input, Time now, Effects& out) {
  const auto it = state.attempts.find(input.key);
  if (it == state.attempts.end()) return;
  if constexpr (std::is_same_v<OfOneAttempt, Cleaned>) {
    if (input.done) {
      CHECK(std::holds_alternative<Releasing>(it->second.stage));
      state.attempts.erase(it);
      return;
    }
  }
  on_input(it->second, input, now, out);
}

}  // namespace

Effects step(State& state, const Input& input, Time now) {
  Effects out;
  std::visit([&](const auto& one) { fold(state, one, now, out); }, input);
  // In the order of keys, so that a lower attempt's end is seen by the higher one that waits for
  // it.
  for (auto& [key, attempt] : state.attempts) {
    advance(attempt, lower_is_live(state, key), now, out);
  }
  return out;
}

std::optional<Time> next_tick(const State& state) {
  std::optional<Time> earliest;
  for (const auto& [key, attempt] : state.attempts) {
    const std::optional<Time> due = due_at(attempt);
    if (due && (!earliest || *due < *earliest)) earliest = due;
  }
  return earliest;
}

std::vector<ObservedAttempt> observed_all(const State& state) {
  std::vector<ObservedAttempt> all;
  all.reserve(state.attempts.size());
  for (const auto& [key, attempt] : state.attempts) all.push_back(attempt.observed);
  return all;
}

}  // namespace devrun::agent
