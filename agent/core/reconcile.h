// What this node should run and what it runs: a pure fold. The shell (agent/sync) feeds inputs,
// performs the effects in order, and answers each that says so by an input. Nothing here blocks,
// reads a clock or knows gRPC.
//
// One attempt:
//
//   (desired) ─▶ Waiting ──▶ Starting ──▶ Running ──stop──▶ Stopping
//                 │ a lower     │  │ kExists  │ ▲  shim gone    │
//                 │ attempt     │  ▼          ▼ │               │ exit
//   (on disk) ───────────────▶ Finding ──▶ Linking             │
//                 │             │ exit        │ exit            ▼
//                 │ stop        └─────────────┴────────▶ Completing ──measured──▶ Ended
//                 └───────────────────────────────────────────────────────────────▶ │
//   any of them but those with work in flight ──released──▶ Releasing ──cleaned──▶ (absent)
//
// A program with a setup step is kSettingUp from its container's start until the controller says `go`: Running and
// Stopping are the agent's hold on it, the phase is what is told.
//
// Surprises: work in flight (Starting, Linking, Finding that asked, Completing) is never
// interrupted; what arrives meanwhile is kept in the attempt (goal, released, exit, shim_gone) and
// acted upon when the answer is there; only a Starting that nobody wants is told to give up waiting, and one that waits
// has its time limit from when it came. What was asked of an attempt (`Asked`) is written to its
// folder before it is done, so that a restarted agent neither delivers a signal twice nor forgets
// that the controller wanted the end.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/attempt.h"

namespace devrun::agent {

inline constexpr Duration kKillAgainAfter = seconds(5);
// The controller ends what has reached its time limit; the node does it in its stead a little later.
inline constexpr Duration kTimeLimitSlack = seconds(2);
inline constexpr Duration kLinkAgainAfter = milliseconds(200);
inline constexpr Duration kReleaseAgainAfter = seconds(1);
// An end whose writes are measured faster than this is reported once, not as kCompleting first.
inline constexpr Duration kCompletingToldAfter = milliseconds(50);

// What the controller has asked of a running attempt and what must not be done twice or forgotten.
struct Asked {
  uint32_t delivered_sequence = 0;
  std::optional<EndCause> stop_cause;
  std::string stop_reason = {};  // why, if the cause alone does not say it; one line
  bool operator==(const Asked&) const = default;
};

// ── inputs ──────────────────────────────────────────────────────────────────────────────────────

struct DesiredItem {
  DesiredAttempt attempt;
  std::optional<AttemptSpec> spec;
  int32_t deliver_signal = 0;
  uint32_t deliver_sequence = 0;
};
// One message of Synchronize.
struct Desired {
  bool whole = false;
  std::vector<DesiredItem> desired;
  std::vector<AttemptKey> released;
};
// What is on disk: at start, and in answer to Inspect.
struct Found {
  AttemptKey key = {};
  bool shim_alive = false;
  std::optional<Ending> ending = {};
  int64_t output_bytes = 0;
  Timeline timeline = {};
  bool released = false;
  bool has_setup = false;
  Asked asked = {};
  Duration time_limit = {};
};
struct FoundNothing {
  AttemptKey key;
};
struct Progressed {  // set-up proceeds
  AttemptKey key;
  Timeline timeline;
};
struct Linked {  // in answer to StartAttempt or LinkShim: the shim's news come
  AttemptKey key;
};
struct LinkFailed {  // also: could not be inspected
  AttemptKey key;
};
struct StartWaits {  // set-up can go on only once what `reason` says is over; empty: it goes on
  AttemptKey key;
  std::string reason;
};
struct StartFailed {  // nothing was run; kExists: it has been here before
  AttemptKey key;
  Error error;
};
struct ShimChanged {
  AttemptKey key;
  Time started, first_byte, ended;
  std::optional<Ending> ending;
  int64_t output_bytes = 0;
  bool setup_done = false;
  bool stays = false;  // its program has ended with 0
};
struct ShimGone {
  AttemptKey key;
};
struct Measured {
  AttemptKey key;
  std::optional<WrittenSummary> wrote;
  std::optional<Usage> usage = {};
};
struct Used {  // now and then, while it runs
  AttemptKey key;
  Usage usage;
};
struct Cleaned {
  AttemptKey key;
  bool done = false;
};
// No attempt of this node can read its files any more: all that live are over.
struct FilesLost {
  std::string reason;
};
// The node leaves the cluster: what runs is told to end and is lost, what has not begun may begin elsewhere.
struct Leaving {
  std::string reason;
  Duration grace;  // from the signal to KILL
};
struct Tick {};

using Input = std::variant<Desired, Found, FoundNothing, Progressed, Linked, LinkFailed, StartWaits,
                           StartFailed, ShimChanged, ShimGone, Measured, Used, Cleaned, FilesLost,
                           Leaving, Tick>;

// ── effects ─────────────────────────────────────────────────────────────────────────────────────

struct StartAttempt {  // answered by Linked, LinkFailed or StartFailed
  AttemptSpec spec;
};
// Nobody wants it any more: what it waits for is waited for no longer. Its answer comes as that of StartAttempt.
struct AbandonStart {
  AttemptKey key;
};
struct LinkShim {  // answered by Linked or LinkFailed
  AttemptKey key;
};
struct
    Inspect {  // answered by Found, FoundNothing or LinkFailed; kills what a dead shim left behind
  AttemptKey key;
};
struct OpenStreams {  // idempotent; also says: try again at once
  AttemptKey key;
};
struct EndOutput {  // the output log has this length and will not grow
  AttemptKey key;
  int64_t output_bytes = 0;
};
struct Remember {
  AttemptKey key;
  Asked asked;
};
struct Go {  // the setup step is done on every rank
  AttemptKey key;
  std::vector<std::string> hosts =
      {};  // "ADDRESS NAME" of its group's ranks: known by these names from then on
};
struct FirstRankEnded {  // it need not stay to be reached by rank 0 any more
  AttemptKey key;
};
struct SignalProgram {
  AttemptKey key;
  int32_t signal = 0;
};
struct KillAll {
  AttemptKey key;
  bool without_shim = false;
};
struct Measure {  // answered by Measured
  AttemptKey key;
  // Nobody has given it up as far as we have heard, and its end is not told yet: a live tree that it had is no other's.
  bool tree_is_its_own = true;
};
struct LeaveResults {  // a Measure that is under way is answered soon
  AttemptKey key;
};
struct Report {
  ObservedAttempt observed;
};
struct Release {  // answered by Cleaned
  AttemptKey key;
};

using Effect = std::variant<StartAttempt, AbandonStart, LinkShim, Inspect, OpenStreams, EndOutput,
                            Remember, Go, FirstRankEnded, SignalProgram, KillAll, Measure,
                            LeaveResults, Report, Release>;
using Effects = std::vector<Effect>;

// ── state ───────────────────────────────────────────────────────────────────────────────────────

struct Waiting {  // for a lower attempt's end
  AttemptSpec spec;
};
struct Starting {
  bool abandoned = false;
};
struct Finding {
  Time inspect_at;
  bool asked = false;
};
struct Linking {};
struct Running {};
struct Stopping {
  Time kill_at;
  bool killed = false;
};
struct Completing {
  Time tell_at;
  bool told = false;
  bool left = false;  // its results stay here
};
struct Ended {};
struct Releasing {
  Time again_at;
  bool asked = false;
};
using Stage = std::variant<Waiting, Starting, Finding, Linking, Running, Stopping, Completing,
                           Ended, Releasing>;

struct Attempt {
  DesiredAttempt desired;
  Asked asked;
  int32_t signal_to_deliver = 0;  // with its sequence, until the program runs
  uint32_t signal_sequence = 0;
  Duration time_limit;      // 0: none
  std::string lost_reason;  // with a goal of kStop for kLost
  bool leaving = false;     // likewise: one that has not begun may begin on another node
  bool released = false;
  bool has_setup = false;
  bool went = false;                   // over the present link
  bool told_first_rank_ended = false;  // likewise
  bool shim_gone = false;              // of the present link
  bool stays = false;                  // ended with 0, but for rank 0's sake: no time limit ends it
  std::optional<Ending> exit;          // as the exit record says
  Stage stage;
  ObservedAttempt observed;
};

struct State {
  std::map<AttemptKey, Attempt> attempts;
  std::optional<Leaving> leaving = {};  // so does what comes from now on
};

// Folds one input into the state and returns what is to be done, in order.
Effects step(State& state, const Input& input, Time now);

// When a Tick is due at the latest, if any.
std::optional<Time> next_tick(const State& state);

// All that this node knows, as the hello of Synchronize says it.
std::vector<ObservedAttempt> observed_all(const State& state);

}  // namespace devrun::agent
