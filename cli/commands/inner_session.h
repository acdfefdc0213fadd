// A session in a job's container that runs devrun itself (inside.h), with its stdin and stdout in our hands instead of the
// terminal's; its stderr is ours. The caller's thread follows it, another one does the work at the other ends.
#pragma once

#include <functional>

#include "cli/client/controller.h"
#include "cli/client/signals.h"
#include "cli/commands/command.h"
#include "common/runtime/fd.h"

namespace devrun::cli {

struct InnerStreams {
  UniqueFd to_job;    // its stdin
  UniqueFd from_job;  // its stdout
};

// `work` runs until it closes what it was given, or the session ends. The session's exit status; 130 if a signal ended
// it.
Result<int> run_inner_session(Controller& controller, Context& context, Signals& signals,
                              const AttemptKey& key, const std::vector<std::string>& words,
                              const std::function<void(InnerStreams)>& work);

}  // namespace devrun::cli
