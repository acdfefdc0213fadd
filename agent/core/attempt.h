// One attempt's part of the fold: how its stage answers each input, and what it does of its own
// accord. The drawing is in reconcile.h, which alone is for others.
#pragma once

#include "agent/core/reconcile.h"

namespace devrun::agent {

// The controller's wish; a stop is never taken back.
void want(Attempt& attempt, const DesiredAttempt& desired, Time now);

// Over, at once and without grace, for a reason other than the controller's wish. What has ended stays as it is.
void lose(Attempt& attempt, const std::string& reason, Time now);

// Over, but told so: its programs get the signal and the grace.
void leave(Attempt& attempt, const Leaving& input, Time now);

void on_found(Attempt& attempt, const Found& found, Time now, Effects& out);
void on_input(Attempt& attempt, const FoundNothing& input, Time now, Effects& out);
void on_input(Attempt& attempt, const Progressed& input, Time now, Effects& out);
void on_input(Attempt& attempt, const Linked& input, Time now, Effects& out);
void on_input(Attempt& attempt, const LinkFailed& input, Time now, Effects& out);
void on_input(Attempt& attempt, const StartWaits& input, Time now, Effects& out);
void on_input(Attempt& attempt, const StartFailed& input, Time now, Effects& out);
void on_input(Attempt& attempt, const ShimChanged& input, Time now, Effects& out);
void on_input(Attempt& attempt, const ShimGone& input, Time now, Effects& out);
void on_input(Attempt& attempt, const Measured& input, Time now, Effects& out);
void on_input(Attempt& attempt, const Used& input, Time now, Effects& out);
void on_input(Attempt& attempt, const Cleaned& input, Time now, Effects& out);  // that failed

// Over, with nothing run.
void end_unstarted(Attempt& attempt, Ending ending, Effects& out);

// What follows from stage, wishes, news and time, whichever input came.
void advance(Attempt& attempt, bool lower_is_live, Time now, Effects& out);

std::optional<Time> due_at(const Attempt& attempt);

}  // namespace devrun::agent
