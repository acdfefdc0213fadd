#include "common/model/ending.h"

#include <algorithm>

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

bool has_free_retries(const JobSpec& spec) {
  return spec.retry_lost || !spec.retry_always_on.empty();
}

bool is_run_again(const JobSpec& spec) {
  return spec.retries != 0 || has_free_retries(spec);
}

bool is_retried_in_any_case(const JobSpec& spec, const Ending& ending) {
  switch (ending.cause) {
    case EndCause::kExited:
      return std::ranges::count(spec.retry_always_on, ending.status) != 0;
    case EndCause::kLost:
      return spec.retry_lost;
    case EndCause::kNotStarted:
      return spec.retry_lost && ending.fault == Fault::kNode;
    case EndCause::kCancelled:
    case EndCause::kTimedOut:
      return false;
  }
  return false;
}

}  // namespace devrun
