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

}  // namespace devrun
