#include "common/model/ending.h"

namespace devrun {

Ending not_started(const Error& error) {
  const Fault fault = error.code == Code::kInvalid ? Fault::kCaller : Fault::kNode;
  return {EndCause::kNotStarted, 125, error.message, error.hint, fault};
}

Ending set_up_interrupted() {
  return {EndCause::kNotStarted, 125, "the node's agent ended while it set the job up",
          "submit it again", Fault::kInterrupted};
}

bool was_interrupted(const Ending& ending) {
  return ending.cause == EndCause::kNotStarted && ending.fault == Fault::kInterrupted;
}

}  // namespace devrun
