// `devrun shell`: the dev container, a job whose root is the live tree of a volume. One per volume.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "cli/client/caller.h"
#include "cli/client/detach_keys.h"
#include "cli/client/terminal.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"
#include "cli/commands/run_options.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "stop", .meaning = "end the dev container", .example = "--stop"},
    {.letter = 'd',
     .name = "detach",
     .meaning = "start CMD there, print the job id alone and do not wait",
     .example = "-d"},
    {.letter = 'e',
     .name = "env",
     .value = "K[=V]",
     .meaning = "set a variable, or take one over; may be repeated",
     .example = "-e EDITOR=vim"},
    {.letter = 'C',
     .name = "chdir",
     .value = "DIR",
     .meaning = "begin in this directory",
     .fallback = "the home directory",
     .example = "-C /srv"},
    {.letter = 't',
     .name = "tty",
     .meaning = "with a terminal",
     .fallback = "if stdin and stdout are terminals",
     .example = "-t"},
    {.letter = 'T', .name = "no-tty", .meaning = "without a terminal", .example = "-T"},
    {.name = "no-stdin", .meaning = "leave our stdin alone", .example = "--no-stdin"},
    {.name = "detach-keys",
     .value = "KEYS",
     .meaning = "the keys that detach from a terminal",
     .fallback = "ctrl-\\,d",
     .example = "--detach-keys ctrl-p,ctrl-q"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors", .example = "-q"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun shell ada", "a login shell in the live volume"},
    {"devrun shell ada -- apt-get install -y python3-pandas", "one command there"},
    {"devrun shell --stop ada", "ends it"}};

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
  bool detach = false;
  bool no_stdin = false;
  bool quiet = false;
  TtyChoice tty = TtyChoice::kIfTerminals;
  std::vector<std::string> env;
  std::string folder;
  std::string detach_keys;
  std::vector<std::string> command;
};

// The volume's dev container that lives, or 0.
Result<JobId> living_shell(Controller& controller, const std::string& volume) {
  const JobList jobs = TRY(controller.list_jobs(true));
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

// As a login gives it, not the caller's: the dev container is a machine of its own.
std::vector<std::string> login_settings(const ShellWish& wish, const Caller& caller,
                                        const Surroundings& here, bool tty) {
  std::vector<std::string> out{
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=" + caller.home,
      "USER=" + caller.user,
      "LOGNAME=" + caller.user,
      "LANG=" + here.variable("LANG").value_or("C.UTF-8"),
  };
  if (tty) out.push_back("TERM=" + here.variable("TERM").value_or("xterm"));
  for (const std::string& setting : wish.env) {
    const bool has_value = setting.find('=') != std::string::npos;
    const auto value = here.variable(setting);
    if (has_value) out.push_back(setting);
    if (!has_value && value) out.push_back(setting + "=" + *value);
  }
  return out;
}

// Admins are root there, as on a machine of their own; others are who they are here.
Result<Caller> caller_for(Controller& controller) {
  const WhoAmI me = TRY(controller.hello());
  Caller caller = TRY(capture_caller());
  if (me.role == "admin") caller = Caller{0, 0, {}, 022, "root", "/root"};
  if (caller.home.empty()) caller.home = "/";
  caller.umask = 022;
  return caller;
}

Result<Submission> submission_for(const ShellWish& wish, const std::string& volume,
                                  Controller& controller, const Context& context) {
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.name = "shell";
  spec.dev_container = true;
  spec.root.volume = volume;
  spec.root.live = true;
  Program& program = spec.program;
  program.caller = TRY(caller_for(controller));
  program.argv = wish.command;
  if (program.argv.empty()) {
    program.argv = {"/bin/sh", "-c", std::string(kLoginScript), "devrun-shell",
                    fmt::format("{}", program.caller.uid)};
  }
  program.cwd = wish.folder.empty() ? program.caller.home : wish.folder;
  const bool terminals = is_terminal(context.in) && is_terminal(context.console.out());
  program.tty = !wish.detach && !wish.no_stdin && wish.tty != TtyChoice::kNever &&
                (wish.tty == TtyChoice::kAlways || terminals);
  if (program.tty) program.terminal = terminal_size(context.in);
  program.reads_stdin = !wish.detach && !wish.no_stdin && ::fcntl(context.in, F_GETFD) >= 0;
  out.env = TRY(environment_block(
      {}, login_settings(wish, program.caller, context.surroundings, program.tty)));
  return out;
}

Result<int> stop(Controller& controller, const std::string& volume, Context& context) {
  const JobId job = TRY(living_shell(controller, volume));
  if (job == 0) {
    context.console.say(fmt::format("volume {} has no dev container", volume));
    return 0;
  }
  TRY(controller.cancel(TaskKey{job, kNoTask}, 0));
  return 0;
}

Result<int> shell(const ShellWish& wish, Context& context) {
  if (wish.tty == TtyChoice::kAlways && !is_terminal(context.in)) {
    return Error{Code::kInvalid, "-t needs a terminal, and stdin is none", "the same without -t"};
  }
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  const std::string volume = TRY(volume_for(wish, controller->target()));
  if (wish.stop) return stop(*controller, volume, context);
  if (const JobId job = TRY(living_shell(*controller, volume)); job != 0) {
    return Error{Code::kConflict,
                 fmt::format("volume {} already has a dev container, job {}, and joining it is not "
                             "in this version yet",
                             volume, job),
                 fmt::format("devrun attach {}, or devrun shell --stop {}", job, volume)};
  }
  const Submission submission = TRY(submission_for(wish, volume, *controller, context));
  const auto submitted = submit_interruptibly(*controller, signals, submission);
  if (!submitted && submitted.error().code == Code::kCancelled) {
    context.console.say(submitted.error());
    return kStatusCancelled;
  }
  if (!submitted) return submitted.error();
  if (wish.detach) return print_submitted(context.console, *submitted, false);
  Following following;
  following.task = TaskKey{submitted->job, kNoTask};
  following.write_stdin = submission.spec.program.reads_stdin;
  following.tty = submission.spec.program.tty;
  following.detach_keys = wish.detach_keys;
  following.patient = true;
  following.quiet = wish.quiet;
  return follow_job(*controller, context, signals, following);
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
  wish.detach = arguments.has("detach");
  wish.no_stdin = arguments.has("no-stdin");
  wish.quiet = arguments.has("quiet");
  if (arguments.has("tty")) wish.tty = TtyChoice::kAlways;
  if (arguments.has("no-tty")) wish.tty = TtyChoice::kNever;
  wish.env = arguments.values("env");
  wish.folder = arguments.value("chdir").value_or("");
  const std::string keys = arguments.value("detach-keys").value_or(std::string(kDefaultDetachKeys));
  wish.detach_keys = TRY(parse_detach_keys(keys));
  if (wish.detach && wish.command.empty())
    return Error{Code::kInvalid, "-d needs a program: a login shell would end at once", {}};
  return Action([=](Context& context) { return shell(wish, context); });
}

}  // namespace

Command shell_command() {
  return {
      {.name = "shell",
       .usage = {"shell [OPTIONS] [VOLUME] [-- CMD [ARG…]]", "shell --stop [VOLUME]"},
       .purpose = "the dev container: a login shell, or CMD, in the live volume",
       .text =
           "What is done there stays in the volume. Inside, `devrun CMD` needs no option: it runs "
           "CMD on a node, in a\n"
           "snapshot of this volume. One dev container per volume; Ctrl-\\ d leaves it running.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
