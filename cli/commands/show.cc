// `devrun show` and `devrun explain`: one job, and what of its nodes keeps it from going on.
#include <set>

#include "cli/commands/connect.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"

namespace devrun::cli {

namespace {

constexpr Option kShowOptions[] = {
    {.name = "json", .meaning = "one JSON record", .example = "--json"},
    kHelpOption,
};
constexpr Option kExplainOptions[] = {kHelpOption};
constexpr Example kShowExamples[] = {
    {"devrun show 42", "state, resources, attempts, and where the time went"},
    {"devrun show 39_3", "task 3 of array 39"}};
constexpr Example kExplainExamples[] = {
    {"devrun explain 42", "why job 42 waits, and what would let it start"}};

constexpr size_t kNodesAskedMax = 8;

// What keeps a job that runs from going on, of its nodes: a line each, with what to try.
std::string troubles_text(Controller& controller, const JobRecord& job) {
  std::set<std::string> nodes;
  for (const AttemptRecord& attempt : job.attempts) {
    if (!is_final(attempt.state) && !attempt.node.empty() && nodes.size() < kNodesAskedMax)
      nodes.insert(attempt.node);
  }
  std::string out;
  for (const std::string& name : nodes) {
    const Result<NodeRecord> node = controller.show_node(name);
    if (node) out += trouble_text(*node, wall_clock());
  }
  return out;
}

Result<Action> parse_show(const Arguments& arguments) {
  const AttemptKey key = TRY(one_job(arguments));
  const bool json = arguments.has("json");
  return Action([=](Context& context) -> Result<int> {
    const auto controller = TRY(controller_of(context));
    const JobRecord job = TRY(controller->get_job(key.task_key()));
    TRY(check_attempt(job, key));
    if (json) {
      TRY(context.console.data(job_json(job)));
      return 0;
    }
    const std::string troubles = troubles_text(*controller, job);
    TRY(context.console.data(job_text(job, wall_clock()) +
                             (troubles.empty() ? "" : "\n" + troubles)));
    return 0;
  });
}

Result<Action> parse_explain(const Arguments& arguments) {
  const AttemptKey key = TRY(one_job(arguments));
  return Action([=](Context& context) -> Result<int> {
    const auto controller = TRY(controller_of(context));
    const JobRecord job = TRY(controller->get_job(key.task_key()));
    TRY(check_attempt(job, key));
    TRY(context.console.data(explain_text(job) + troubles_text(*controller, job)));
    return 0;
  });
}

}  // namespace

Command show_command() {
  return {
      {.name = "show",
       .usage = {"show [--json] JOB"},
       .purpose = "one job in full",
       .text =
           "With each attempt: its node, its ending, what it wrote, and when each stage was done.\n"
           "Of an array a line for each task; `devrun show 39_3` has one of them in full.",
       .options = kShowOptions,
       .examples = kShowExamples},
      parse_show};
}

Command explain_command() {
  return {{.name = "explain",
           .usage = {"explain JOB"},
           .purpose = "why a job waits, and what would let it start",
           .text = "Of one that runs: whether its node is silent or in trouble, or waits for the "
                   "store.",
           .options = kExplainOptions,
           .examples = kExplainExamples},
          parse_explain};
}

}  // namespace devrun::cli
