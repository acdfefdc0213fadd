// Effects as lines of text, so that a test shows all of them.
#pragma once

#include <fmt/format.h>

#include <string>

#include "agent/core/reconcile.h"

namespace devrun::agent {

inline std::string cause_word(EndCause cause) {
  switch (cause) {
    case EndCause::kExited:
      return "exited";
    case EndCause::kNotStarted:
      return "not-started";
    case EndCause::kCancelled:
      return "cancelled";
    case EndCause::kTimedOut:
      return "timed-out";
    case EndCause::kLost:
      return "lost";
  }
  return "?";
}

inline std::string phase_word(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "starting";
    case Phase::kSettingUp:
      return "setting-up";
    case Phase::kRunning:
      return "running";
    case Phase::kCompleting:
      return "completing";
    case Phase::kEnded:
      return "ended";
  }
  return "?";
}

struct Teller {
  std::string operator()(const StartAttempt& e) const { return "start " + to_string(e.spec.key); }
  std::string operator()(const AbandonStart& e) const { return "abandon " + to_string(e.key); }
  std::string operator()(const LinkShim& e) const { return "link " + to_string(e.key); }
  std::string operator()(const Inspect& e) const { return "inspect " + to_string(e.key); }
  std::string operator()(const OpenStreams& e) const { return "streams " + to_string(e.key); }
  std::string operator()(const EndOutput& e) const {
    return fmt::format("end-output {} {}", to_string(e.key), e.output_bytes);
  }
  std::string operator()(const Remember& e) const {
    return fmt::format("remember {} seq={}{}", to_string(e.key), e.asked.delivered_sequence,
                       e.asked.stop_cause ? " stop=" + cause_word(*e.asked.stop_cause) : "");
  }
  std::string operator()(const Go& e) const { return "go " + to_string(e.key); }
  std::string operator()(const FirstRankEnded& e) const {
    return "first-rank-ended " + to_string(e.key);
  }
  std::string operator()(const SignalProgram& e) const {
    return fmt::format("signal {} {}", to_string(e.key), e.signal);
  }
  std::string operator()(const KillAll& e) const {
    return "kill " + to_string(e.key) + (e.without_shim ? " without shim" : "");
  }
  std::string operator()(const LeaveResults& e) const {
    return "leave results of " + to_string(e.key);
  }
  std::string operator()(const Measure& e) const {
    return (e.tree_is_its_own ? "measure " : "measure alone ") + to_string(e.key);
  }
  std::string operator()(const Report& e) const {
    const ObservedAttempt& o = e.observed;
    std::string line = fmt::format("report {} {}", to_string(o.key), phase_word(o.phase));
    if (!o.waits_for.empty()) line += fmt::format(" ({})", o.waits_for);
    if (o.setup_done && o.phase == Phase::kSettingUp) line += " done";
    if (o.ending) line += fmt::format(" {} {}", cause_word(o.ending->cause), o.ending->status);
    return line;
  }
  std::string operator()(const Release& e) const { return "release " + to_string(e.key); }
};

inline std::string tell(const Effects& effects) {
  std::string text;
  for (const Effect& effect : effects) text += std::visit(Teller{}, effect) + "\n";
  return text;
}

}  // namespace devrun::agent
