// `devrun shell`: the dev container, a job whose root is the live tree of a volume and that runs nothing itself. One per
// volume; a shell is a session of it, as `devrun exec` makes them in other jobs.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "cli/commands/connect.h"
#include "cli/commands/dev_container.h"
#include "cli/commands/inside.h"
#include "cli/commands/session_options.h"
#include "cli/output/job_text.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "stop",
     .meaning = "end the dev container and all that runs in it",
     .example = "--stop"},
    {.name = "yes", .meaning = "--stop: although others have shells in it", .example = "--yes"},
    {.name = "cpus",
     .value = "N",
     .meaning = "of a new one: as many cores at most, also a fraction",
     .fallback = "the operator's policy, else no limit; on a node 1",
     .example = "--cpus 4"},
    {.name = "memory",
     .value = "SIZE",
     .meaning = "of a new one: as much memory at most, for all that runs in it",
     .fallback = "the operator's policy, else no limit",
     .example = "--memory 16G"},
    {.name = "on-node",
     .meaning = "of a new one: on a node that shows live volumes, not on the storage host",
     .example = "--on-node"},
    {.letter = 'g',
     .name = "gpus",
     .value = "N[:TYPE]",
     .meaning = "on a node, with GPUs",
     .fallback = "0",
     .example = "-g 1"},
    {.name = "pool",
     .value = "P",
     .meaning = "on a node of this pool",
     .fallback = "any",
     .example = "--pool a100"},
    {.name = "node-label",
     .value = "K=V",
     .meaning = "on a node with this label; may be repeated",
     .fallback = "any",
     .example = "--node-label zone=b"},
    {.letter = 'd',
     .name = "detach",
     .meaning = "only start the dev container, and print its job id alone",
     .example = "-d"},
    kSessionEnvOption,
    {.letter = 'C',
     .name = "chdir",
     .value = "DIR",
     .meaning = "begin in this directory",
     .fallback = "the home directory",
     .example = "-C /srv"},
    kSessionTtyOption,
    kSessionNoTtyOption,
    kSessionNoStdinOption,
    kSessionKeysOption,
    kSessionQuietOption,
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun shell ada", "a login shell in the live volume"},
    {"devrun shell ada -- apt-get install -y python3-pandas", "one command there"},
    {"devrun shell --memory 16G -g 1 ada", "its first shell: on a node with a GPU"},
    {"devrun shell --stop ada", "ends the dev container"}};

constexpr std::string_view kLoginName = "devrun-shell";  // $0 of the script below
constexpr size_t kCommandShownMax = 60;

// The login shell that the volume's own /etc/passwd names for the user $1; we cannot read that
// file.
constexpr std::string_view kLoginScript =
    "shell=\n"
    "while IFS=: read -r _ _ uid _ _ _ candidate; do\n"
    "  if [ \"$uid\" = \"$1\" ]; then shell=$candidate; break; fi\n"
    "done </etc/passwd\n"
    "[ -x \"$shell\" ] || shell=/bin/bash\n"
    "[ -x \"$shell\" ] || shell=/bin/sh\n"
    "SHELL=$shell; export SHELL\n"
    "exec \"$shell\" -l\n";

struct ShellWish {
  std::string volume;
  bool stop = false;
  bool yes = false;
  bool detach = false;
  ContainerWish container;
  SessionOptions options;
  std::vector<std::string> command;
};

// The volume's dev container that lives, or 0.
Result<JobId> living_shell(Controller& controller, const std::string& volume) {
  const JobList jobs = TRY(controller.list_jobs(
      {.all = true,
       .states = {JobState::kQueued, JobState::kStarting, JobState::kSettingUp, JobState::kRunning,
                  JobState::kCompleting, JobState::kUnreachable},
       .words = {"volume:" + volume}}));
  JobId found = 0;
  for (const JobRecord& job : jobs.jobs) {
    const bool same = job.spec.dev_container && job.spec.root.volume == volume;
    if (same && !is_final(job.state)) found = job.job;
  }
  return found;
}

Result<std::string> volume_for(const ShellWish& wish, const Target& target) {
  if (!wish.volume.empty()) return wish.volume;
  if (!target.volume.empty()) return target.volume;
  return Error{Code::kInvalid, "which volume? None is named",
               "devrun shell NAME; devrun volume ls"};
}

Result<SessionWish> session_for(const ShellWish& wish, Controller& controller,
                                const Context& context) {
  SessionWish out;
  out.id = TRY(new_request_id());
  Program& program = out.program;
  program.caller = TRY(caller_for(controller));
  program.argv = wish.command;
  if (program.argv.empty()) {
    program.argv = {"/bin/sh", "-c", std::string(kLoginScript), std::string(kLoginName),
                    fmt::format("{}", program.caller.uid)};
  }
  program.cwd = wish.options.folder.empty() ? program.caller.home : wish.options.folder;
  set_streams(program, wish.options, context);
  out.env = TRY(session_environment(login_settings(program.caller, context.surroundings), program,
                                    wish.options, context));
  return out;
}

std::string session_text(const SessionRecord& session) {
  const std::vector<std::string>& argv = session.argv;
  std::string command = argv.empty() ? "a program" : command_line(argv);
  if (argv.size() > 3 && argv[3] == kLoginName) command = "a login shell";
  if (argv.size() > 2 && argv[1] == kInsideOption && argv[2] == kInsideSsh) command = "ssh";
  if (command.size() > kCommandShownMax) {
    command.resize(kCommandShownMax);
    command += "…";
  }
  return fmt::format("\n  {}: {}", session.user, command);
}

Status check_nobody_there(Controller& controller, JobId job, const std::string& volume) {
  const std::vector<SessionRecord> sessions = TRY(controller.list_sessions(job));
  if (sessions.empty()) return ok();
  std::string text = fmt::format("the dev container of volume {} is in use:", volume);
  for (const SessionRecord& session : sessions) text += session_text(session);
  return Error{Code::kConflict, text, fmt::format("devrun shell --stop --yes {}", volume)};
}

Result<int> stop(const ShellWish& wish, Controller& controller, const std::string& volume,
                 Context& context) {
  const JobId job = TRY(living_shell(controller, volume));
  if (job == 0) {
    context.console.say(fmt::format("volume {} has no dev container", volume));
    return 0;
  }
  if (!wish.yes) TRY(check_nobody_there(controller, job, volume));
  TRY(controller.cancel(TaskKey{job, kNoTask}, 0));
  const auto give_up = std::chrono::steady_clock::now() + kContainerEndPatience;
  while (!is_final(TRY(controller.get_job(job)).state)) {
    if (std::chrono::steady_clock::now() > give_up) {
      return Error{Code::kTimeout,
                   fmt::format("the dev container of volume {}, job {}, is asked to end and has "
                               "not yet",
                               volume, job),
                   fmt::format("devrun show {}", job)};
    }
    std::this_thread::sleep_for(kContainerLookEvery);
  }
  if (!wish.options.quiet) {
    context.console.say(
        fmt::format("the dev container of volume {}, job {}, has ended", volume, job));
  }
  return 0;
}

// Whoever asks for a GPU is not to find out by and by that there is none.
Status check_wish(const ShellWish& wish, Controller& controller, JobId job) {
  const JobRecord living = TRY(controller.get_job(job));
  const std::string missing = missing_of(wish.container, living);
  if (missing.empty()) return ok();
  const std::string& volume = living.spec.root.volume;
  return Error{Code::kExists, missing + ": what you ask for needs a new one",
               fmt::format("devrun shell {0}, which joins it; devrun shell --stop {0}", volume)};
}

Result<int> shell(const ShellWish& wish, Context& context) {
  TRY(check_terminal(wish.options, context));
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  const std::string volume = TRY(volume_for(wish, controller->target()));
  if (wish.stop) return stop(wish, *controller, volume, context);
  const auto once = [&]() -> Result<int> {
    const Submission submission = TRY(container_of(volume, wish.container));
    const auto container = TRY(submit_interruptibly(*controller, signals, submission));
    if (wish.container.says_something()) TRY(check_wish(wish, *controller, container.job));
    if (wish.detach) return print_submitted(context.console, container, false);
    SessionWish session = TRY(session_for(wish, *controller, context));
    const Following following =
        session_following(TaskKey{container.job, kNoTask}, wish.options, std::move(session));
    return follow_job(*controller, context, signals, following);
  };
  const Result<int> status = with_patience(once);
  if (status || status.error().code != Code::kCancelled) return status;
  context.console.say(status.error());
  return kStatusCancelled;
}

Result<Action> parse(const Arguments& arguments) {
  ShellWish wish;
  if (arguments.words.size() > 1) {
    return Error{Code::kInvalid,
                 fmt::format("expected one volume, not also '{}': a program follows after `--`",
                             arguments.words[1]),
                 {}};
  }
  if (!arguments.words.empty()) wish.volume = arguments.words[0];
  wish.command = arguments.program;
  if (arguments.has_dashes && wish.command.empty())
    return Error{Code::kInvalid, "no program follows `--`", {}};
  wish.stop = arguments.has("stop");
  wish.yes = arguments.has("yes");
  wish.detach = arguments.has("detach");
  wish.options = TRY(read_session_options(arguments));
  RunOptions placement;
  for (const Given& given : arguments.given) TRY(read_placement(given, placement));
  wish.container = {placement.per_node, placement.pool, placement.node_labels,
                    arguments.has("on-node")};
  if (wish.stop && wish.container.says_something()) {
    return Error{Code::kInvalid, "--stop takes no resources", {}};
  }
  if (wish.yes && !wish.stop) return Error{Code::kInvalid, "--yes goes with --stop", {}};
  if ((wish.detach || wish.stop) && !wish.command.empty()) {
    return Error{Code::kInvalid, "--stop and -d take no program", {}};
  }
  return Action([=](Context& context) { return shell(wish, context); });
}

}  // namespace

Command shell_command() {
  return {
      {.name = "shell",
       .usage = {"shell [OPTIONS] [VOLUME] [-- CMD [ARG…]]", "shell --stop [--yes] [VOLUME]"},
       .purpose = "the dev container: a login shell, or CMD, in the live volume",
       .text = "One dev container per volume: the first shell starts it, others join it, and it "
               "lives on, with what was\n"
               "started in it, until --stop. What is done there stays in the volume, but for /tmp "
               "and /run. Inside,\n"
               "`devrun CMD` needs no option: it runs CMD on a node, in a snapshot of this volume.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
