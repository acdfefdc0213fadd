// `devrun launch FILE.yaml`: a SkyPilot-style task file, resolved here and run as a job of the same kind as any other.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>

#include "cli/client/caller.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/command.h"
#include "cli/commands/connect.h"
#include "cli/launch/plan.h"
#include "cli/launch/script.h"
#include "common/model/limits.h"
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
    "Output and exit status are as with `devrun run`.";

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
     .meaning = "the plan, or with -d the job, as one JSON record",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "strict",
     .value = {},
     .meaning = "warnings are errors",
     .fallback = {},
     .example = {}},
    {.letter = {},
     .name = "no-setup",
     .value = {},
     .meaning = "leave the setup step out",
     .fallback = {},
     .example = {}},
    {.letter = 'd',
     .name = "detach",
     .value = {},
     .meaning = "print the job id alone and return",
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
  bool detach = false;
  bool quiet = false;
};

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

// Where `workdir` is in the volume: the caller's own tree is the volume's.
Result<std::string> folder_of(const launch::TaskPlan& task, const Target& target,
                              const Caller& caller) {
  if (task.workdir.empty()) return std::string();
  if (!target.through_socket) {
    return Error{
        Code::kUnsupported,
        fmt::format("workdir '{}' is outside every volume: uploads are not in this version",
                    task.workdir_shown),
        "devrun shell VOLUME, and launch from there"};
  }
  std::string path = task.workdir;
  if (path == "~" || path.starts_with("~/")) {
    path = caller.home + path.substr(1);
  } else if (!path.starts_with('/')) {
    path = TRY(current_folder()) + "/" + path;
  }
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    return Error{Code::kNotFound,
                 fmt::format("workdir '{}' is not a folder here", task.workdir_shown),
                 "a path relative to the current directory"};
  }
  return path;
}

// `train` of `/x/train.yaml`.
std::string name_of_file(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

// `recover_on_exit_codes` alone, and no number at all, mean without a count: as often as there can be attempts. A lost
// node is always recovered from.
void ask_for_retries(const launch::JobRecovery& recovery, JobSpec& spec) {
  const int64_t restarts = recovery.max_restarts_on_errors.value_or(0);
  spec.retries =
      restarts > 0 ? static_cast<uint32_t>(std::min<int64_t>(restarts, kRetriesMax)) : kRetriesMax;
  if (restarts > 0 && recovery.recover_on_exit_codes.empty()) return;
  for (const auto status : recovery.recover_on_exit_codes) {
    if (status > 0 && status < 256) spec.retry_on.push_back(static_cast<int32_t>(status));
  }
  spec.retry_on.push_back(kStatusDevrun);
}

Result<Submission> submission_for(const LaunchOptions& options, const launch::TaskPlan& task,
                                  const Context& context, const Target& target) {
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.program.caller = TRY(capture_caller());
  const std::string folder = TRY(folder_of(task, target, spec.program.caller));
  const launch::Scripts scripts = TRY(launch::build_scripts(task, folder));
  spec.name = task.name.empty() ? name_of_file(options.file) : task.name;
  spec.root.volume = options.volume.empty() ? target.volume : options.volume;
  if (spec.root.volume.empty() && !target.through_socket) {
    return Error{Code::kInvalid, "which volume? This is no dev container, and none is named",
                 "--volume NAME, or DEVRUN_VOLUME=NAME; devrun volume ls"};
  }
  spec.program.argv = scripts.run.empty() ? std::vector<std::string>{"true"} : scripts.run;
  if (!options.no_setup) spec.program.setup = scripts.setup;
  // The scripts go to ~/sky_workdir by themselves; outside a volume the caller's own folder means nothing there.
  spec.program.cwd = target.through_socket ? TRY(current_folder()) : "/";
  spec.per_node = task.per_node;
  spec.nodes = task.nodes;
  spec.priority = task.priority;
  if (task.recovery) ask_for_retries(*task.recovery, spec);
  std::vector<std::string> settings;
  for (const launch::Value& value : scripts.env) settings.push_back(value.name + "=" + value.value);
  out.env = TRY(environment_block(context.surroundings.environment, settings));
  return out;
}

// The plan has been printed; what the cluster would make of it is for people, if there is a cluster to ask.
void say_what_would_be(const LaunchOptions& options, const launch::Plan& plan, Context& context) {
  if (plan.tasks.size() != 1 || options.quiet) return;
  const auto asked = [&]() -> Result<ForesightRecord> {
    const Target target = TRY(find_target(context.surroundings));
    const Submission submission = TRY(submission_for(options, plan.tasks[0], context, target));
    const auto controller = TRY(controller_of(context));
    return controller->foresee(submission);
  };
  const Result<ForesightRecord> seen = asked();
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
  if (plan->tasks.size() > 1) {
    return Error{Code::kUnsupported,
                 fmt::format("{} has {} documents: pipelines and groups are not in this version",
                             options.file, plan->tasks.size()),
                 "one file each, joined by devrun --after-ok"};
  }
  const Target target = TRY(find_target(context.surroundings));
  const Submission submission = TRY(submission_for(options, plan->tasks[0], context, target));
  Sending sending;
  sending.detach = options.detach;
  sending.json = options.json;
  sending.quiet = options.quiet;
  return send_job(target, context, submission, sending);
}

Result<Action> parse(const Arguments& arguments) {
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
          parse};
}

}  // namespace devrun::cli
