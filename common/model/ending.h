// The endings of attempts that were not started, as agents and shims make them. Pure.
#pragma once

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun {

// Status 125 with the error's words; kInvalid is the caller's fault.
Ending not_started(const Error& error);
// Its agent ended first. Nothing of it has run.
Ending set_up_interrupted();
bool was_interrupted(const Ending& ending);

// Whether there may be another attempt of the job at all, as it was submitted.
bool is_run_again(const JobSpec& spec);
// Whether some of them may be that `retries` does not count,
bool has_free_retries(const JobSpec& spec);
// as the one is that follows an attempt which ended so.
bool is_retried_in_any_case(const JobSpec& spec, const Ending& ending);

}  // namespace devrun
