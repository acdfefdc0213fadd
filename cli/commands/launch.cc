// `devrun launch FILE.yaml`: a SkyPilot-style task file, resolved here and run as a job of the same kind as any other.
#include <fmt/format.h>

#include <charconv>

#include "cli/commands/command.h"
#include "cli/commands/connect.h"
#include "cli/commands/launch_choice.h"
#include "cli/commands/launch_job.h"
#include "cli/commands/launch_several.h"
#include "cli/commands/own_target.h"
#include "cli/commands/run_options.h"
#include "cli/commands/sky_options.h"
#include "cli/launch/plan.h"
#include "cli/launch/schema.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr std::string_view kText =
    "Reads the file, resolves it with what the options give, and runs it: `setup` first, on every "
    "node, then `run`,\n"
    "as bash scripts in ~/sky_workdir, in a snapshot of this volume. Anything wrong with the file "
    "is said at once,\n"
    "with its place, and nothing is started. Fields that mean nothing here (clouds, disks) are one "
    "warning each.\n"
    "Output and exit status are as with `devrun run`. Several documents are a pipeline, or a group "
    "whose tasks begin\n"
    "together; `devrun: {sweep: {lr: [0.1, 0.2]}}` runs a task for each point. docs/yaml.md has "
    "every field.";

constexpr Option kOptions[] = {
    {.letter = 'e',
     .name = "env",
     .value = "K[=V]",
     .meaning = "a value for `envs`; K alone takes it from here",
     .fallback = "the file's",
     .example = "--env LR=0.1"},
    {.letter = {},
     .name = "env-file",
     .value = "F",
     .meaning = "values for `envs`, a line each",
     .fallback = {},
     .example = "--env-file .env"},
    {.letter = {},
     .name = "secret",
     .value = "K[=V]",
     .meaning = "a value for `secrets`; never shown or kept in clear",
     .fallback = "the file's",
     .example = "--secret HF_TOKEN"},
    {.letter = {},
     .name = "nodes",
     .value = "N",
     .meaning = "nodes, whatever the file says",
     .fallback = "the file's num_nodes",
     .example = "--nodes 2"},
    {.letter = 'g',
     .name = "gpus",
     .value = "TYPE:N",
     .meaning = "GPUs per node, whatever the file says",
     .fallback = "the file's accelerators",
     .example = "--gpus H100:8"},
    {.letter = {},
     .name = "cpus",
     .value = "N",
     .meaning = "cores per node, whatever the file says",
     .fallback = "the file's",
     .example = "--cpus 4"},
    {.letter = {},
     .name = "memory",
     .value = "SIZE",
     .meaning = "memory per node, whatever the file says",
     .fallback = "the file's",
     .example = "--memory 64G"},
    {.letter = {},
     .name = "time",
     .value = "SPAN",
     .meaning = "end each task after that long; lets others be placed before it",
     .fallback = "no limit",
     .example = "--time 4h"},
    {.letter = 'n',
     .name = "name",
     .value = "NAME",
     .meaning = "the job's name",
     .fallback = "the file's",
     .example = "--name try-2"},
    {.letter = {},
     .name = "volume",
     .value = "V",
     .meaning = "the volume to run in",
     .fallback = "this dev container's, or $DEVRUN_VOLUME",
     .example = "--volume main"},
    {.letter = {},
     .name = "dry-run",
     .value = {},
     .meaning = "print what would be run, and run nothing",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "json",
     .value = {},
     .meaning = "the plan, or with -d each job, as one JSON record",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "strict",
     .value = {},
     .meaning = "warnings are errors",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "schema",
     .value = {},
     .meaning = "print the JSON schema of task files, for editors, and do nothing else",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "no-setup",
     .value = {},
     .meaning = "leave the setup step out",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "fresh-setup",
     .value = {},
     .meaning = "run the setup step anew, whatever is kept of earlier runs",
     .fallback = {},
     .example = {}},
    {.letter = 'd',
     .name = "detach",
     .value = {},
     .meaning = "print the job ids alone, one a line, and return",
     .fallback = {},
     .example = {}},
    {.letter = 'y',
     .name = "yes",
     .value = {},
     .meaning = "nothing: there is nothing to confirm; for scripts written for sky",
     .fallback = {},
     .example = {}},
    {.letter = 'q',
     .name = "quiet",
     .value = {},
     .meaning = "no words about warnings, waiting and what was written",
     .fallback = {},
     .example = {}},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun launch train.yaml --env LR=3e-4 --secret HF_TOKEN",
     "with values for the file's envs and secrets"},
    {"devrun launch --dry-run train.yaml",
     "what would be run, and what the file's fields mean here"},
};

struct LaunchOptions {
  std::string file;
  std::string env_file;
  std::string volume;
  launch::Overrides overrides;
  bool dry_run = false;
  bool json = false;
  bool strict = false;
  bool no_setup = false;
  bool fresh_setup = false;
  bool detach = false;
  bool quiet = false;
};

// What is wrong not with the file, but with calling it so.
void add_notes_on_calling(const LaunchOptions& options, const launch::Plan& plan,
                          const Context& context, std::vector<launch::Diagnostic>& out) {
  for (const launch::TaskPlan& task : plan.tasks) {
    if (options.volume.empty() || task.asks.image.empty()) continue;
    out.push_back(launch::warning_at(
        {},
        fmt::format("--volume {}: the task runs in that volume, and not in its image_id, {}",
                    options.volume, task.asks.image),
        "the same without --volume"));
  }
  if (!options.dry_run) return;  // else it is an error, once it is looked for
  const auto missing = missing_sources(plan, context);
  out.insert(out.end(), missing.begin(), missing.end());
}

// The file as a plan; everything that is wrong with it has been said if there is none.
Result<std::optional<launch::Plan>> read_plan(const LaunchOptions& options,
                                              const Context& context) {
  const std::string text = TRY(launch::read_task_file(options.file));
  launch::ParsedTaskFile parsed = launch::parse_task_file(text);
  std::vector<launch::Diagnostic> diagnostics = std::move(parsed.diagnostics);
  std::optional<launch::Plan> plan;
  launch::Overrides overrides = options.overrides;
  if (!options.env_file.empty()) {
    overrides.env_file_text = TRY(read_file(options.env_file));
    overrides.env_file_name = options.env_file;
  }
  overrides.caller_environment = [&context](const std::string& name) {
    return context.surroundings.variable(name);
  };
  if (parsed.incomplete) {
    const auto missing = launch::missing_values(*parsed.incomplete, overrides);
    diagnostics.insert(diagnostics.end(), missing.begin(), missing.end());
  }
  if (parsed.file) {
    launch::Resolution resolution = launch::resolve(*parsed.file, overrides);
    plan = std::move(resolution.plan);
    diagnostics.insert(diagnostics.end(), resolution.diagnostics.begin(),
                       resolution.diagnostics.end());
  }
  if (plan) add_notes_on_calling(options, *plan, context, diagnostics);
  if (options.strict) launch::make_strict(diagnostics);
  launch::sort_by_place(diagnostics);
  const bool refused = launch::has_errors(diagnostics) || !plan;
  const auto& redactions = plan ? plan->redactions : parsed.redactions;
  if (options.dry_run && !refused) {
    TRY(context.console.data(options.json ? launch::plan_json(*plan, diagnostics)
                                          : launch::plan_text(*plan, diagnostics)));
  } else if (refused || !options.quiet) {
    context.console.say_plain(launch::render(diagnostics, options.file, text, redactions));
  }
  if (refused) return std::optional<launch::Plan>{};
  return plan;
}

bool is_refusal(Code code) {
  return code == Code::kInvalid || code == Code::kExhausted || code == Code::kDenied ||
         code == Code::kConflict || code == Code::kNotFound;
}

// The plan has been printed; what the cluster would make of it is for people, if there is a cluster to ask.
void say_what_would_be(const LaunchOptions& options, const launch::Plan& plan, Context& context) {
  if (plan.tasks.size() != 1 || options.quiet) return;
  bool answered = false;
  // Of what would be brought and made nothing is needed for that.
  const auto asked = [&]() -> Result<ForesightRecord> {
    const Target target = TRY(target_of(context));
    const std::string& of_file = plan.tasks[0].name;
    const std::string name = of_file.empty() ? name_of_file(options.file) : of_file;
    const std::string volume = options.volume.empty() ? target.volume : options.volume;
    const auto controller = TRY(controller_of(context));
    Chosen chosen = TRY(choose(*controller, context, target, plan.tasks[0], name, false));
    if (!chosen.words.empty()) context.console.say(name + " " + chosen.words);
    TaskWish wish{chosen.task, name, TaskPlaces{volume, {}}};
    wish.alternatives = chosen.alternatives;
    const Submission submission = TRY(submission_of(wish, context, target.through_socket));
    Result<ForesightRecord> foreseen = controller->foresee(submission);
    answered = foreseen || is_refusal(foreseen.error().code);
    return foreseen;
  };
  const Result<ForesightRecord> seen = asked();
  if (!seen && answered)
    return context.console.say("it would be refused: " + seen.error().message, seen.error().hint);
  if (!seen) return;
  if (seen->reason.empty()) return context.console.say("it would start at once");
  const std::string place =
      seen->queue_place == 0
          ? ""
          : fmt::format("; it would be number {} in the queue", seen->queue_place);
  context.console.say(fmt::format("it would {}: {}{}", seen->never ? "never start here" : "wait",
                                  seen->reason, place),
                      seen->never ? "devrun nodes" : "");
}

Result<int> launch_file(const LaunchOptions& options, Context& context) {
  const auto plan = TRY(read_plan(options, context));
  if (!plan) return kStatusDevrun;
  if (options.dry_run) {
    say_what_would_be(options, *plan, context);
    return 0;
  }
  const Target target = TRY(target_of(context));
  const LaunchWish wish{*plan,          options.file, options.volume, options.no_setup,
                        options.detach, options.json, options.quiet,  options.fresh_setup};
  return launch_plan(wish, target, context);
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has("schema")) {
    return Action([](Context& context) -> Result<int> {
      TRY(context.console.data(launch::task_schema()));
      return 0;
    });
  }
  if (arguments.words.size() != 1 || arguments.has_dashes) {
    return Error{
        Code::kInvalid,
        arguments.words.empty() ? "which task file? None is named" : "expected one task file",
        "devrun launch FILE.yaml"};
  }
  LaunchOptions options;
  options.file = arguments.words[0];
  options.overrides.envs = arguments.values("env");
  options.overrides.secrets = arguments.values("secret");
  options.overrides.name = arguments.value("name").value_or("");
  options.overrides.gpus = arguments.value("gpus").value_or("");
  if (const auto cpus = arguments.value("cpus")) {
    options.overrides.cpu_milli = TRY(parse_cpus(*cpus));
  }
  if (const auto memory = arguments.value("memory")) {
    options.overrides.memory_bytes = TRY(parse_memory(*memory));
  }
  if (const auto span = arguments.value("time")) {
    options.overrides.time_limit = TRY(parse_time_limit(*span));
  }
  if (const auto nodes = arguments.value("nodes")) {
    const auto [end, error] = std::from_chars(nodes->data(), nodes->data() + nodes->size(),
                                              options.overrides.nodes.emplace());
    if (error != std::errc{} || end != nodes->data() + nodes->size() ||
        *options.overrides.nodes < 1) {
      return Error{Code::kInvalid, fmt::format("--nodes '{}': expected a number from 1", *nodes),
                   "--nodes 2"};
    }
  }
  options.env_file = arguments.value("env-file").value_or("");
  options.volume = arguments.value("volume").value_or("");
  options.dry_run = arguments.has("dry-run");
  options.json = arguments.has("json");
  options.strict = arguments.has("strict");
  options.no_setup = arguments.has("no-setup");
  options.fresh_setup = arguments.has("fresh-setup");
  options.detach = arguments.has("detach");
  options.quiet = arguments.has("quiet");
  return Action(
      [options = std::move(options)](Context& context) { return launch_file(options, context); });
}

}  // namespace

Command launch_command() {
  return {{.name = "launch",
           .usage = {"launch [OPTIONS] FILE.yaml"},
           .purpose = "run a SkyPilot-style task file",
           .text = kText,
           .options = kOptions,
           .examples = kExamples},
          parse,
          WordRule::kBetween,
          sky_option_hint};
}

}  // namespace devrun::cli
