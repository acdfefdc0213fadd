#include "agent/core/attempt.h"

#include <algorithm>

#include "common/model/ending.h"

namespace devrun::agent {
namespace {

template <typename T>
bool in(const Attempt& attempt) {
  return std::holds_alternative<T>(attempt.stage);
}

void take_if_set(Time& ours, Time theirs) {
  if (theirs.us != 0) ours = theirs;
}

void merge(Timeline& ours, const Timeline& theirs) {
  take_if_set(ours.agent_received, theirs.agent_received);
  take_if_set(ours.mounted, theirs.mounted);
  take_if_set(ours.started, theirs.started);
  take_if_set(ours.first_byte, theirs.first_byte);
  take_if_set(ours.ended, theirs.ended);
}

Ending asked_ending(EndCause cause, const std::string& reason) {
  switch (cause) {
    case EndCause::kTimedOut:
      return {cause, 124, "the time limit was reached", ""};
    case EndCause::kLost:
      if (!reason.empty()) return {cause, 125, reason, "devrun nodes, and submit it again"};
      return {cause, 125, "a later attempt has taken its place", ""};
    default:
      return {EndCause::kCancelled, 130, "cancelled", ""};
  }
}

Ending lost(std::string reason) {
  return {EndCause::kLost, 125, std::move(reason), ""};
}

Phase phase_of_begun(const Attempt& attempt) {
  return attempt.has_setup && !attempt.went ? Phase::kSettingUp : Phase::kRunning;
}

void report(const Attempt& attempt, Effects& out) {
  out.push_back(Report{attempt.observed});
}

// Who was lost, or is not wanted any more, may have been followed by another before we knew.
bool may_be_followed(const Attempt& attempt) {
  const bool told_lost =
      attempt.desired.goal == Goal::kStop && attempt.desired.stop_cause == EndCause::kLost;
  return attempt.released || told_lost || attempt.asked.stop_cause == EndCause::kLost ||
         (attempt.exit && attempt.exit->cause == EndCause::kLost);
}

void begin_completing(Attempt& attempt, Time now, Effects& out) {
  if (attempt.observed.timeline.ended.us == 0) attempt.observed.timeline.ended = now;
  attempt.stage = Completing{now + kCompletingToldAfter};
  out.push_back(EndOutput{attempt.desired.key, attempt.observed.output_bytes});
  out.push_back(Measure{attempt.desired.key, !may_be_followed(attempt)});
}

void remember(Attempt& attempt, Effects& out) {
  out.push_back(Remember{attempt.desired.key, attempt.asked});
}

void begin_stopping(Attempt& attempt, Time now, Effects& out) {
  attempt.asked.stop_cause = attempt.desired.stop_cause;
  if (attempt.desired.stop_cause == EndCause::kLost)
    attempt.asked.stop_reason = attempt.lost_reason;
  remember(attempt, out);
  // A program that has not begun needs no grace, and a signal for it would be lost.
  const bool begun = attempt.observed.phase >= Phase::kSettingUp;
  attempt.stage = Stopping{begun ? now + attempt.desired.stop_grace : now, false};
  if (begun && attempt.desired.stop_grace.us > 0) {
    out.push_back(SignalProgram{attempt.desired.key, attempt.desired.stop_signal});
  }
}

void deliver_signal(Attempt& attempt, Effects& out) {
  if (attempt.signal_to_deliver == 0) return;
  attempt.asked.delivered_sequence = attempt.signal_sequence;
  remember(attempt, out);
  out.push_back(SignalProgram{attempt.desired.key, attempt.signal_to_deliver});
  attempt.signal_to_deliver = 0;
}

// The setup step has ended with 0 here, and on the other ranks too. Said once over each link: the shim ignores it after
// the first time.
void let_go(Attempt& attempt, Effects& out) {
  if (!attempt.observed.setup_done || attempt.went || !attempt.desired.go ||
      attempt.desired.goal != Goal::kRun) {
    return;
  }
  attempt.went = true;
  out.push_back(Go{attempt.desired.key, attempt.desired.hosts});
  attempt.observed.phase = Phase::kRunning;
  report(attempt, out);
}

void tell_first_rank_ended(Attempt& attempt, Effects& out) {
  if (!attempt.desired.first_rank_ended || attempt.told_first_rank_ended) return;
  attempt.told_first_rank_ended = true;
  out.push_back(FirstRankEnded{attempt.desired.key});
}

std::optional<Time> limit_of(const Attempt& attempt) {
  const Timeline& timeline = attempt.observed.timeline;
  const bool waits = in<Starting>(attempt) && !attempt.observed.waits_for.empty();
  const Time started = waits ? timeline.agent_received : timeline.started;
  if (attempt.time_limit.us == 0 || started.us == 0 || attempt.stays ||
      attempt.desired.goal == Goal::kStop) {
    return std::nullopt;
  }
  return started + attempt.time_limit + kTimeLimitSlack;
}

void end_at_time_limit(Attempt& attempt, Time now) {
  const std::optional<Time> limit = limit_of(attempt);
  if (!limit || now < *limit) return;
  attempt.desired.goal = Goal::kStop;
  attempt.desired.stop_cause = EndCause::kTimedOut;
}

// With a shim that answers (or did until now).
void advance_live(Attempt& attempt, Time now, Effects& out) {
  if (attempt.exit) {
    begin_completing(attempt, now, out);
    return;
  }
  if (attempt.shim_gone) {
    attempt.stage = Finding{now, false};
    return;
  }
  // Signals wait for the program: at a container that has not begun they would be lost.
  if (attempt.observed.phase >= Phase::kSettingUp) deliver_signal(attempt, out);
  let_go(attempt, out);
  tell_first_rank_ended(attempt, out);
  end_at_time_limit(attempt, now);
  if (in<Running>(attempt) && attempt.desired.goal == Goal::kStop) {
    begin_stopping(attempt, now, out);
  }
  if (Stopping* stopping = std::get_if<Stopping>(&attempt.stage);
      stopping && stopping->kill_at <= now) {
    out.push_back(KillAll{attempt.desired.key, stopping->killed});
    stopping->killed = true;
    stopping->kill_at = now + kKillAgainAfter;
  }
}

// What has begun to be set up ends by itself soon, but for one that waits for somebody else.
void advance_starting(Attempt& attempt, Time now, Effects& out) {
  Starting& starting = std::get<Starting>(attempt.stage);
  end_at_time_limit(attempt, now);
  const bool unwanted = attempt.released || attempt.desired.goal == Goal::kStop;
  if (!unwanted || starting.abandoned) return;
  starting.abandoned = true;
  if (!attempt.observed.waits_for.empty()) {
    // It will not have begun: what a restarted agent finds of it has this end, too.
    attempt.asked.stop_cause = attempt.desired.stop_cause;
    attempt.asked.stop_reason = attempt.lost_reason;
    remember(attempt, out);
  }
  out.push_back(AbandonStart{attempt.desired.key});
}

// Work in flight is waited for; what has none can be released at once.
bool can_be_released(const Attempt& attempt) {
  const Finding* finding = std::get_if<Finding>(&attempt.stage);
  return in<Waiting>(attempt) || in<Running>(attempt) || in<Stopping>(attempt) ||
         in<Ended>(attempt) || (finding && !finding->asked);
}

}  // namespace

void want(Attempt& attempt, const DesiredAttempt& desired, Time now) {
  if (attempt.desired.goal == Goal::kStop && desired.goal == Goal::kRun) return;
  attempt.desired = desired;
  if (Stopping* stopping = std::get_if<Stopping>(&attempt.stage); stopping && !stopping->killed) {
    stopping->kill_at = std::min(stopping->kill_at, now + desired.stop_grace);
  }
}

void lose(Attempt& attempt, const std::string& reason, Time now) {
  if (in<Completing>(attempt) || in<Ended>(attempt) || in<Releasing>(attempt)) return;
  if (Stopping* stopping = std::get_if<Stopping>(&attempt.stage)) {
    if (!stopping->killed) stopping->kill_at = std::min(stopping->kill_at, now);
    return;  // what it was asked to end for stays its ending
  }
  attempt.lost_reason = reason;
  attempt.desired.goal = Goal::kStop;
  attempt.desired.stop_cause = EndCause::kLost;
  attempt.desired.stop_signal = 9;
  attempt.desired.stop_grace = {};
}

void leave(Attempt& attempt, const Leaving& input, Time now) {
  if (in<Completing>(attempt) || in<Ended>(attempt) || in<Releasing>(attempt)) return;
  if (Stopping* stopping = std::get_if<Stopping>(&attempt.stage)) {
    if (!stopping->killed) stopping->kill_at = std::min(stopping->kill_at, now + input.grace);
    return;  // what it was asked to end for stays its ending
  }
  if (attempt.desired.goal == Goal::kStop) return;
  attempt.lost_reason = input.reason;
  attempt.leaving = true;
  attempt.desired.goal = Goal::kStop;
  attempt.desired.stop_cause = EndCause::kLost;
  attempt.desired.stop_signal = 15;
  attempt.desired.stop_grace = input.grace;
}

void on_found(Attempt& attempt, const Found& found, Time now, Effects& out) {
  if (!in<Finding>(attempt)) return;
  merge(attempt.observed.timeline, found.timeline);
  attempt.observed.output_bytes = found.output_bytes;
  attempt.asked.delivered_sequence =
      std::max(attempt.asked.delivered_sequence, found.asked.delivered_sequence);
  if (!attempt.asked.stop_cause) {
    attempt.asked.stop_cause = found.asked.stop_cause;
    attempt.asked.stop_reason = found.asked.stop_reason;
  }
  if (attempt.signal_sequence <= attempt.asked.delivered_sequence) attempt.signal_to_deliver = 0;
  if (found.ending || !found.shim_alive) {
    attempt.exit = found.ending.value_or(lost("its shim died without an exit record"));
    begin_completing(attempt, now, out);
    return;
  }
  attempt.has_setup = found.has_setup;
  attempt.time_limit = found.time_limit;
  if (attempt.observed.timeline.started.us != 0) attempt.observed.phase = phase_of_begun(attempt);
  attempt.went = false;
  attempt.told_first_rank_ended = false;
  attempt.shim_gone = false;
  attempt.stage = Linking{};
  out.push_back(LinkShim{attempt.desired.key});
}

void on_input(Attempt& attempt, const FoundNothing&, Time now, Effects& out) {
  if (!in<Finding>(attempt)) return;
  attempt.exit = lost("its folder on the node is gone");
  begin_completing(attempt, now, out);
}

void on_input(Attempt& attempt, const Progressed& input, Time, Effects&) {
  merge(attempt.observed.timeline, input.timeline);
}

void on_input(Attempt& attempt, const Linked&, Time, Effects&) {
  attempt.observed.waits_for.clear();
  if (in<Starting>(attempt) || in<Linking>(attempt)) attempt.stage = Running{};
}

void on_input(Attempt& attempt, const LinkFailed&, Time now, Effects&) {
  if (in<Starting>(attempt)) {
    attempt.stage = Finding{now, false};
  } else if (in<Linking>(attempt) || in<Finding>(attempt)) {
    attempt.stage = Finding{now + kLinkAgainAfter, false};
  }
}

void on_input(Attempt& attempt, const StartWaits& input, Time, Effects& out) {
  if (!in<Starting>(attempt) || attempt.observed.waits_for == input.reason) return;
  attempt.observed.waits_for = input.reason;
  report(attempt, out);
}

void on_input(Attempt& attempt, const StartFailed& input, Time now, Effects& out) {
  if (!in<Starting>(attempt)) return;
  attempt.observed.waits_for.clear();
  if (input.error.code == Code::kExists) {
    attempt.stage = Finding{now, false};
    return;
  }
  attempt.observed.timeline.ended = now;
  end_unstarted(attempt, not_started(input.error), out);
}

void on_input(Attempt& attempt, const ShimChanged& input, Time, Effects& out) {
  if (attempt.exit) return;
  ObservedAttempt& observed = attempt.observed;
  take_if_set(observed.timeline.started, input.started);
  take_if_set(observed.timeline.first_byte, input.first_byte);
  take_if_set(observed.timeline.ended, input.ended);
  observed.output_bytes = std::max(observed.output_bytes, input.output_bytes);
  if (input.ending) attempt.exit = input.ending;
  const bool setup_ends = input.setup_done && !observed.setup_done;
  observed.setup_done |= input.setup_done;
  attempt.stays |= input.stays;
  if (input.started.us != 0 && observed.phase == Phase::kStarting) {
    observed.phase = phase_of_begun(attempt);
    if (!attempt.exit) report(attempt, out);
  } else if (setup_ends && !attempt.exit) {
    report(attempt, out);
  }
}

void on_input(Attempt& attempt, const ShimGone&, Time, Effects&) {
  attempt.shim_gone = true;
}

void on_input(Attempt& attempt, const Measured& input, Time, Effects& out) {
  if (!in<Completing>(attempt)) return;
  attempt.stage = Ended{};
  attempt.observed.phase = Phase::kEnded;
  attempt.observed.ending = attempt.asked.stop_cause
                                ? asked_ending(*attempt.asked.stop_cause, attempt.asked.stop_reason)
                                : attempt.exit;
  attempt.observed.wrote = input.wrote;
  if (input.usage) attempt.observed.usage = input.usage;
  report(attempt, out);
}

void on_input(Attempt& attempt, const Used& input, Time, Effects& out) {
  if (!in<Running>(attempt) && !in<Stopping>(attempt)) return;
  attempt.observed.usage = input.usage;
  report(attempt, out);
}

void on_input(Attempt& attempt, const Cleaned&, Time now, Effects&) {
  if (in<Releasing>(attempt)) attempt.stage = Releasing{now + kReleaseAgainAfter, false};
}

void end_unstarted(Attempt& attempt, Ending ending, Effects& out) {
  attempt.stage = Ended{};
  attempt.observed.phase = Phase::kEnded;
  if (attempt.leaving) {
    ending = {EndCause::kNotStarted, 125, attempt.lost_reason, "", Fault::kInterrupted};
  } else if (attempt.desired.goal == Goal::kStop) {
    ending = asked_ending(attempt.desired.stop_cause, attempt.lost_reason);
  }
  attempt.observed.ending = std::move(ending);
  out.push_back(EndOutput{attempt.desired.key, 0});
  report(attempt, out);
}

void advance(Attempt& attempt, bool lower_is_live, Time now, Effects& out) {
  const AttemptKey& key = attempt.desired.key;
  if (attempt.released && can_be_released(attempt)) attempt.stage = Releasing{now, false};
  if (in<Waiting>(attempt)) {
    if (attempt.desired.goal == Goal::kStop) {
      attempt.observed.timeline.ended = now;
      end_unstarted(attempt, asked_ending(attempt.desired.stop_cause, attempt.lost_reason), out);
    } else if (!lower_is_live) {
      AttemptSpec spec = std::move(std::get<Waiting>(attempt.stage).spec);
      attempt.stage = Starting{};
      out.push_back(StartAttempt{std::move(spec)});
    }
  }
  if (in<Starting>(attempt)) advance_starting(attempt, now, out);
  if (in<Running>(attempt) || in<Stopping>(attempt)) advance_live(attempt, now, out);
  if (Finding* finding = std::get_if<Finding>(&attempt.stage);
      finding && !finding->asked && finding->inspect_at <= now) {
    finding->asked = true;
    out.push_back(Inspect{key});
  }
  Completing* const completing = std::get_if<Completing>(&attempt.stage);
  if (completing != nullptr && !completing->told && completing->tell_at <= now) {
    completing->told = true;
    attempt.observed.phase = Phase::kCompleting;
    report(attempt, out);
  }
  if (completing != nullptr && !completing->left && attempt.desired.leave_results) {
    completing->left = true;
    out.push_back(LeaveResults{key});
  }
  if (Releasing* releasing = std::get_if<Releasing>(&attempt.stage);
      releasing && !releasing->asked && releasing->again_at <= now) {
    releasing->asked = true;
    out.push_back(Release{key});
  }
}

std::optional<Time> due_at(const Attempt& attempt) {
  if (const Stopping* s = std::get_if<Stopping>(&attempt.stage)) return s->kill_at;
  if (in<Running>(attempt) || in<Starting>(attempt)) return limit_of(attempt);
  if (const Finding* f = std::get_if<Finding>(&attempt.stage); f && !f->asked) return f->inspect_at;
  if (const Completing* c = std::get_if<Completing>(&attempt.stage); c && !c->told)
    return c->tell_at;
  if (const Releasing* r = std::get_if<Releasing>(&attempt.stage); r && !r->asked)
    return r->again_at;
  return std::nullopt;
}

}  // namespace devrun::agent
