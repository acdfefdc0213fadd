// `devrun [OPTIONS] CMD…`: the main job.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client/caller.h"
#include "cli/client/terminal.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/command.h"
#include "cli/commands/own_target.h"
#include "cli/commands/program_path.h"
#include "cli/commands/run_options.h"
#include "cli/output/job_text.h"
#include "common/base/suggest.h"
#include "common/model/limits.h"

namespace devrun::cli {

namespace {

constexpr std::string_view kText =
    "Takes a snapshot of the volume as it is now, and runs CMD in it on a node that has room: with "
    "the same\n"
    "directory, user, groups, umask and environment, with stdin, stdout and stderr attached. "
    "Editing goes on\n"
    "meanwhile and changes nothing for the job. The exit status is the command's own; 128+N if "
    "signal N ended it,\n"
    "123 it succeeded, but its results could not be brought home, 124 time limit, 125 devrun's "
    "own failure or a\n"
    "lost node, 126 not executable, 127 not found, 130 cancelled.\n"
    "\n"
    "What it writes below the home and the current directory appears in the volume, while it runs "
    "and wholly at its\n"
    "end; never over what was changed there meanwhile. All else stays in its change set: see "
    "devrun help changes.\n"
    "\n"
    "These variables stay behind: TMUX* STY SSH_* VSCODE_* XDG_RUNTIME_DIR XDG_SESSION_* DBUS_* "
    "DISPLAY HOSTNAME\n"
    "SLURM_* PMI_* OMPI_* CUDA_VISIBLE_DEVICES, and DEVRUN_*, which the job gets anew; -e takes "
    "one over.";

constexpr Example kExamples[] = {
    {"devrun python train.py", "runs the script, as it is now, on another node"},
    {"devrun -g 2:a100 --memory 64G -- python train.py --lr 3e-4",
     "with two GPUs; all after -- is the program's"},
    {"devrun -d --name sweep --array 0-99%10 ./sweep.sh",
     "a hundred tasks, ten at a time; prints the job id"},
    {"devrun --keep python train.py", "what it writes waits for devrun apply"},
    {"tar c . | devrun wc -c", "stdin goes to the job, byte for byte"},
};

bool choose_tty(const RunOptions& options, const Context& context) {
  if (options.detach || options.tty == TtyChoice::kNever || options.retries > 0) return false;
  if (options.tty == TtyChoice::kAlways) return true;
  return !options.no_stdin && is_terminal(context.in) && is_terminal(context.console.out());
}

Result<std::string> folder_for(const RunOptions& options) {
  if (options.folder.starts_with('/')) return options.folder;
  std::string current = TRY(current_folder());
  if (options.folder.empty()) return current;
  return (current == "/" ? "" : current) + "/" + options.folder;
}

// The controller makes the rules of its volume of them, and refuses what cannot be one.
Result<PathRules> live_paths_for(const RunOptions& options) {
  PathRules out;
  for (const std::string& path : options.live) {
    out.push_back({TRY(absolute_path(path)), {}, PathKind::kLive});
  }
  return out;
}

Result<std::string> volume_for(const RunOptions& options, const Target& target) {
  if (!options.volume.empty()) return options.volume;
  if (!target.volume.empty() || target.through_socket) return target.volume;
  return Error{Code::kInvalid, "which volume? This is no dev container, and none is named",
               "--volume NAME, or DEVRUN_VOLUME=NAME; devrun volume ls"};
}

std::string name_for(const RunOptions& options) {
  if (!options.name.empty()) return options.name;
  const std::string& program = options.command[0];
  const size_t slash = program.rfind('/');
  std::string name = slash == std::string::npos || slash + 1 == program.size()
                         ? program
                         : program.substr(slash + 1);
  // Not a name that anybody chose: left to the controller, which makes one of it.
  return has_control_characters(name) ? std::string() : name;
}

Result<Submission> submission_for(const RunOptions& options, const Context& context,
                                  const Target& target) {
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.name = name_for(options);
  spec.root.volume = TRY(volume_for(options, target));
  out.snapshot = options.snapshot;
  spec.program.argv = options.command;
  spec.program.cwd = TRY(folder_for(options));
  spec.program.caller = TRY(capture_caller());
  spec.program.tty = choose_tty(options, context);
  if (spec.program.tty) spec.program.terminal = terminal_size(context.in);
  const bool stdin_open = ::fcntl(context.in, F_GETFD) >= 0;
  // What one attempt has taken of it no other could read again.
  spec.program.reads_stdin =
      !options.detach && !options.no_stdin && stdin_open && options.retries == 0;
  spec.per_node = options.per_node;
  spec.nodes = options.nodes;
  spec.pool = options.pool;
  spec.array = options.array;
  spec.array_running_max = options.array_running_max;
  spec.after = options.after;
  spec.after_ok = options.after_ok;
  spec.after_fail = options.after_fail;
  spec.labels = options.labels;
  spec.node_labels = options.node_labels;
  spec.time_limit = options.time_limit;
  spec.priority = options.priority;
  spec.cancel_on_disconnect = options.disconnect_grace.has_value();
  spec.disconnect_grace = options.disconnect_grace.value_or(Duration{});
  spec.retries = options.retries;
  spec.retry_on = options.retry_on;
  spec.warn_signal = options.warn_signal;
  spec.warn_before = options.warn_before;
  spec.paths = TRY(live_paths_for(options));
  spec.results = options.keep      ? Results::kKeep
                 : options.discard ? Results::kDiscard
                                   : Results::kHome;
  spec.fresh = options.fresh;
  out.env = TRY(environment_block(context.surroundings.environment, options.env));
  return out;
}

// What kind of stdin the job would be without, if that may have been meant for it; empty: nobody misses it.
std::string_view unread_stdin(const RunOptions& options, int in) {
  struct stat info {};
  if (options.retries == 0 || options.detach || options.no_stdin || ::fstat(in, &info) != 0)
    return {};
  if (S_ISFIFO(info.st_mode)) return "a pipe";
  if (S_ISSOCK(info.st_mode)) return "a socket";
  if (S_ISREG(info.st_mode) && info.st_size > 0) return "a file";
  return {};
}

int refuse_stdin(const Console& console, std::string_view kind) {
  console.say(
      fmt::format("stdin is {}, and with --retries nothing of it reaches the program, since "
                  "another attempt could not read it again",
                  kind),
      "--no-stdin, if it needs none; or the same without --retries");
  return kStatusUsage;
}

// How others call what is a command here.
struct OtherName {
  std::string_view name;
  std::string_view command;
};
constexpr OtherName kOtherNames[] = {{"version", "--version"}, {"kill", "cancel"},
                                     {"stop", "cancel"},       {"scancel", "cancel"},
                                     {"jobs", "ps"},           {"list", "ps"},
                                     {"status", "ps"},         {"squeue", "ps"},
                                     {"queue", "ps"},          {"submit", "run"},
                                     {"sbatch", "run"},        {"srun", "run"},
                                     {"info", "show"},         {"inspect", "show"},
                                     {"describe", "show"},     {"monitor", "top"},
                                     {"ssh", "shell"},         {"copy", "cp"},
                                     {"sinfo", "nodes"},       {"forward", "port-forward"}};

// `devrun canel 3` runs a program `canel`, which there will hardly be.
std::string near_command(const std::string& program) {
  for (const OtherName& other : kOtherNames) {
    if (other.name == program) return std::string(other.command);
  }
  const std::vector<Command> commands = all_commands();
  std::vector<std::string_view> names;
  for (const Command& command : commands) {
    if (command.parse != nullptr) names.push_back(command.help.name);
  }
  return nearest_word(program, names).value_or("");
}

// Nothing is submitted for a command with a slip of the pen: where this very file system is what the job would see, and
// where no volume is known. Elsewhere, and after `--`, the volume may have such a program.
bool is_slip(const RunOptions& options, const std::string& near, const Result<Target>& target,
             const Surroundings& here) {
  if (near.empty() || options.after_dashes) return false;
  const bool sees_this =
      target && target->through_socket && options.volume.empty() && options.snapshot.empty();
  const bool knows_volume =
      !options.volume.empty() || (target && (target->through_socket || !target->volume.empty()));
  if (knows_volume && !sees_this) return false;
  return !is_program(options.command[0], here.variable("PATH").value_or(""));
}

int say_slip(const Console& console, const std::string& word, const std::string& near) {
  const bool is_option = near.starts_with('-');
  console.say(
      fmt::format("'{}' is no devrun command and no program here; did you mean {}?", word, near),
      fmt::format("devrun {}{}; or devrun -- {}, to run a program of that name",
                  is_option ? "" : "help ", near, command_line({word})));
  return kStatusNotFound;
}

// A volume may have a program of this name; but it is so near to a command, and none here, that it is said.
bool is_hardly_a_program(const RunOptions& options, const std::string& near,
                         const Surroundings& here) {
  const std::string& word = options.command[0];
  return !options.after_dashes && !options.quiet && !near.empty() && !near.starts_with('-') &&
         edit_distance(word, near) == 1 && !is_program(word, here.variable("PATH").value_or(""));
}

Result<int> run(const RunOptions& options, Context& context) {
  if (options.tty == TtyChoice::kAlways && !is_terminal(context.in)) {
    return Error{Code::kInvalid, "-t needs a terminal, and stdin is none", "the same without -t"};
  }
  const std::string near = near_command(options.command[0]);
  const Result<Target> found = target_of(context);
  if (is_slip(options, near, found, context.surroundings))
    return say_slip(context.console, options.command[0], near);
  const std::string_view unread = unread_stdin(options, context.in);
  if (!unread.empty()) return refuse_stdin(context.console, unread);
  const Target target = TRY(Result<Target>(found));
  if (is_hardly_a_program(options, near, context.surroundings)) {
    context.console.say(fmt::format("'{}' is no devrun command: running a program of that name; "
                                    "did you mean {}?",
                                    options.command[0], near),
                        fmt::format("devrun help {}", near));
  }
  if (options.per_node.gpu_milli != 0 && !options.quiet) {
    context.console.say(
        "a share of a GPU is a share by count: others compute on the same one, and nothing fences "
        "its memory",
        "a whole one (-g 1), or a MIG slice, whose memory is its own (devrun nodes show NODE)");
  }
  Sending sending;
  sending.detach = options.detach;
  sending.json = options.json;
  sending.quiet = options.quiet;
  sending.detach_keys = options.detach_keys;
  sending.keeps = !options.disconnect_grace;
  sending.near_command = near;
  sending.wait_for_controller = options.wait_for_controller;
  return send_job(target, context, TRY(submission_for(options, context, target)), sending);
}

Result<Action> parse(const Arguments& arguments) {
  RunOptions options = TRY(read_run_options(arguments));
  options.after_dashes = arguments.has_dashes;
  return Action([options = std::move(options)](Context& context) { return run(options, context); });
}

}  // namespace

Command run_command() {
  return {{.name = "run",
           .usage = {"[OPTIONS] [--] CMD [ARG…]", "run [OPTIONS] [--] CMD [ARG…]"},
           .purpose = "run a program on a node, in a snapshot of this volume",
           .text = kText,
           .options = run_option_table(),
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
