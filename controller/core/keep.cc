// A caller leaves a job on purpose: losing it from then on changes nothing (JobSpec::cancel_on_disconnect).
#include <fmt/format.h>

#include "controller/core/turn.h"

namespace devrun::controller {

Result<Reply> keep(Turn& turn, const Keep& input) {
  const Job* job = find_job(turn.state, input.job);
  if (job == nullptr) {
    return Error{Code::kNotFound, fmt::format("there is no job {}", input.job), "devrun ps -a"};
  }
  if (job->spec.cancel_on_disconnect && !job->kept && !job->outcome) {
    turn.happened(JobKept{input.job});
  }
  return Reply{};
}

}  // namespace devrun::controller
