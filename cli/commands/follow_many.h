// The output of several jobs, or of several tasks of one, at once: each line with the prefix of whose it is. Nothing of
// ours reaches them but a Ctrl-C, which ends them all; a second one, or a lost terminal, leaves them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/client/controller.h"
#include "cli/client/signals.h"
#include "cli/commands/command.h"

namespace devrun::cli {

inline constexpr size_t kFollowedMax = 64;

struct Followed {
  AttemptKey what;
  std::string prefix;  // "[trainer] "; empty: none
};

enum class FollowedTo {
  kEnd,         // of all of them
  kLeft,        // they go on
  kBrokenPipe,  // nobody reads the output: they were cancelled
};

// `cancel` ends them all; it is called at most once, by another thread.
Result<FollowedTo> follow_many(Controller& controller, Context& context, Signals& signals,
                               const std::vector<Followed>& followed,
                               const std::function<void()>& cancel);

}  // namespace devrun::cli
