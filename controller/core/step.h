// The controller's decisions. `step` takes one input and says what has happened (events), what to
// do about it (effects) and what to answer. It applies its events to the state at once, so that the
// next input of the same batch sees them; the shell makes them durable before it performs any
// effect or sends any answer, and dies if it cannot.
//
// One verb of a job's life per file: submit.cc place.cc report.cc cancel.cc keep.cc end.cc
// node.cc archive.cc restore.cc.
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "controller/core/effect.h"
#include "controller/core/event.h"
#include "controller/core/input.h"
#include "controller/core/state.h"

namespace devrun::controller {

struct Submitted {
  JobId job = 0;
  bool existed = false;  // the request id was known
};
struct Cancelled {
  JobState before = JobState::kQueued;
};
struct DeclaredLost {
  std::vector<AttemptKey> attempts;
};
using Reply = std::variant<std::monostate, Submitted, Cancelled, DeclaredLost>;

struct Decision {
  std::vector<Event> events;
  std::vector<Effect> effects;
  Result<Reply> reply = Reply{};
};

Decision step(State& state, const Input& input, Time now);

// The shell says that the journal has them: from then on a job counts as journaled.
void became_durable(State& state, std::span<const Event> events, Time now);

}  // namespace devrun::controller
