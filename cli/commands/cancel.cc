// `devrun cancel`: ends jobs, or sends them one signal.
#include <fmt/format.h>

#include "cli/commands/connect.h"
#include "cli/commands/signal_names.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "signal",
     .value = "S",
     .meaning = "send this signal alone; the job may go on",
     .fallback = "TERM, ten seconds of grace, then KILL",
     .example = "--signal USR1"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors", .example = "-q"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun cancel 42 43", "ends both"},
    {"devrun cancel --signal USR1 42", "sends USR1 to the program of job 42"}};

Result<int> cancel(const std::vector<AttemptKey>& jobs, int signal, bool quiet, Context& context) {
  const auto controller = TRY(controller_of(context));
  int status = 0;
  for (const AttemptKey& key : jobs) {
    const std::string name = to_string(key.task_key());
    const auto before = controller->cancel(key.task_key(), signal);
    if (!before) {
      context.console.say(before.error());
      status = kStatusDevrun;
    } else if (is_final(*before) && !quiet) {
      context.console.say(fmt::format("job {} has already ended: {}", name, state_name(*before)),
                          fmt::format("devrun show {}", name));
    } else if (*before == JobState::kCompleting && signal == 0 && !quiet) {
      context.console.say(
          fmt::format("job {}'s program had ended: what it wrote is not waited for, "
                      "and stays on its node as far as it has not come home",
                      name),
          fmt::format("devrun apply {}", name));
    }
  }
  return status;
}

Result<Action> parse(const Arguments& arguments) {
  const auto jobs = TRY(some_jobs(arguments));
  const auto text = arguments.value("signal");
  int signal = 0;
  if (text) {
    const Result<int> parsed = parse_signal(*text);
    if (!parsed) return Error(parsed.error()).context("--signal");
    signal = *parsed;
  }
  const bool quiet = arguments.has("quiet");
  return Action([=](Context& context) { return cancel(jobs, signal, quiet, context); });
}

}  // namespace

Command cancel_command() {
  return {
      {.name = "cancel",
       .usage = {"cancel [--signal S] JOB…"},
       .purpose = "end jobs",
       .text = "Answers when it is on record that the jobs are to end; `devrun wait` waits "
               "until they have.\n"
               "What a cancelled job wrote comes home. Cancelled once more, while that goes on "
               "(COMPLETING), it is not waited\n"
               "for: what has not come stays on the node for 24 hours, until `devrun apply JOB`.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
