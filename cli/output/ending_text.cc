#include "cli/output/ending_text.h"

#include <fmt/format.h>

#include <csignal>

#include "common/base/units.h"

namespace devrun::cli {

namespace {

Words not_run(const TaskKey& task, const Ending& ending, std::string_view otherwise) {
  const std::string_view reason =
      ending.reason.empty() ? otherwise : std::string_view(ending.reason);
  const std::string hint =
      ending.hint.empty() ? fmt::format("devrun show {}", to_string(task)) : ending.hint;
  return {std::string(reason), hint};
}

// A shell would say it, too: the program could not be executed, or was not found.
bool is_not_executed(int status) {
  return status == 126 || status == 127;
}

// Signals by which people end programs themselves: they know.
bool is_asked_for(int status) {
  return status == 128 + SIGINT || status == 128 + SIGTERM || status == 128 + SIGPIPE ||
         status == 128 + SIGQUIT || status == 128 + SIGHUP;
}

}  // namespace

int exit_status(JobState state, const Ending& ending) {
  if (state == JobState::kNodeLost || ending.cause == EndCause::kLost) return kStatusDevrun;
  // Nothing was run, whatever the state is called: a job whose predecessor failed is CANCELLED.
  if (ending.cause == EndCause::kNotStarted) {
    return ending.status != 0 ? ending.status : kStatusDevrun;
  }
  if (state == JobState::kCancelled || ending.cause == EndCause::kCancelled)
    return kStatusCancelled;
  if (state == JobState::kTimedOut || ending.cause == EndCause::kTimedOut) return kStatusTimeLimit;
  return ending.status;
}

std::optional<Words> ending_words(const TaskKey& task, JobState state, const Ending& ending) {
  if (state == JobState::kNodeLost || ending.cause == EndCause::kLost) {
    return not_run(task, ending, fmt::format("the node of job {} was lost", to_string(task)));
  }
  switch (ending.cause) {
    case EndCause::kNotStarted:
      return not_run(task, ending, fmt::format("job {} could not be started", to_string(task)));
    case EndCause::kCancelled:
      return Words{
          fmt::format("job {} was {}", to_string(task),
                      ending.reason.starts_with("cancelled") ? ending.reason : "cancelled"),
          {}};
    case EndCause::kTimedOut:
      return Words{fmt::format("job {} was ended at its time limit", to_string(task)),
                   "a longer --time"};
    case EndCause::kExited:
      // A program that exits has spoken for itself; the reason of one with several ranks says which it was.
      if (ending.reason.empty() || is_asked_for(ending.status)) return {};
      if (is_not_executed(ending.status)) return Words{ending.reason, ending.hint};
      return Words{fmt::format("job {}: {}", to_string(task), ending.reason), ending.hint};
    case EndCause::kLost:
      break;
  }
  return {};
}

std::string missing_output_words(uint64_t bytes) {
  return fmt::format(
      "the last {} of the output are missing: its node was lost with them, or they "
      "were older than output is kept",
      format_size(static_cast<int64_t>(bytes)));
}

}  // namespace devrun::cli
