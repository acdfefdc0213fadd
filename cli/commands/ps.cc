// `devrun ps`: the list of jobs.
#include "cli/commands/connect.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.letter = 'a',
     .name = "all",
     .meaning = "also jobs that ended more than an hour ago, and, for an admin, those of others",
     .example = "-a"},
    {.name = "since",
     .value = "T",
     .meaning = "only jobs submitted since then",
     .supported = false},
    {.name = "watch", .meaning = "go on showing it", .supported = false},
    {.name = "json", .meaning = "one JSON record: {\"jobs\": […]}", .example = "--json"},
    kHelpOption,
};
constexpr Example kExamples[] = {{"devrun ps", "your jobs that live or ended within the hour"},
                                 {"devrun ps -a --json", "all of them, for a script"}};

Result<int> ps(bool all, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const JobList jobs = TRY(controller->list_jobs(all));
  TRY(context.console.data(json ? jobs_json(jobs) : jobs_text(jobs, wall_clock())));
  if (jobs.truncated && !json) context.console.say("these are not all: older jobs were left out");
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  if (!arguments.words.empty()) {
    return Error{Code::kUnsupported, "filters are not supported yet in this version", {}};
  }
  TRY(no_words(arguments));
  const bool all = arguments.has("all");
  const bool json = arguments.has("json");
  return Action([=](Context& context) { return ps(all, json, context); });
}

}  // namespace

Command ps_command() {
  return {
      {.name = "ps",
       .usage = {"ps [-a] [--json]"},
       .purpose = "own jobs that live or ended within the hour",
       .text =
           "Newest last. STATUS is the exit status of a job that has ended, TIME how long it ran "
           "or has run.\n"
           "TASKS, if there are arrays, is how many have ended of how many.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
