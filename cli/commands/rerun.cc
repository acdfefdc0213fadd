// `devrun rerun`: a job once more, in the very same snapshot and environment.
#include <fcntl.h>
#include <fmt/format.h>

#include "cli/client/detach_keys.h"
#include "cli/client/terminal.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"
#include "cli/commands/own_target.h"
#include "common/model/ending.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.letter = 'd',
     .name = "detach",
     .meaning = "print the new job's id alone and do not wait; of an array always",
     .example = "-d"},
    {.name = "failed",
     .meaning = "of an array, only the tasks that have failed or were cancelled",
     .example = "--failed"},
    {.name = "no-stdin", .meaning = "leave our stdin alone: the program reads an empty one"},
    {.name = "json", .meaning = "with -d: one JSON record in place of the job id"},
    {.letter = 'q', .name = "quiet", .meaning = "no words of devrun's own but errors"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun rerun 42", "job 42 again: same files, directory, environment, resources"},
    {"devrun rerun 42 -- pytest -x tests/test_io.py", "another program in the same place"},
    {"devrun rerun 39_3", "task 3 of array 39"},
    {"devrun rerun --failed 39", "those of its tasks that have failed, under their own numbers"},
};

struct Wish {
  AttemptKey key;
  std::vector<std::string> program;  // empty: the job's own
  bool failed = false;
  bool no_stdin = false;
  Sending sending;
};

Result<Submission> submission_for(const Wish& wish, const JobRecord& old, const Context& context) {
  Submission out;
  out.request_id = TRY(new_request_id());
  out.again = wish.key.task_key();
  out.again_failed = wish.failed;
  out.spec.nodes = old.spec.nodes;
  out.spec.results = old.spec.results;
  Program& program = out.spec.program;
  program.argv = wish.program;
  const bool attached = !wish.sending.detach;
  const bool stdin_open = ::fcntl(context.in, F_GETFD) >= 0;
  program.reads_stdin = attached && !wish.no_stdin && stdin_open && !is_run_again(old.spec);
  program.tty = attached && old.spec.program.tty && !wish.no_stdin && is_terminal(context.in) &&
                is_terminal(context.console.out());
  if (program.tty) program.terminal = terminal_size(context.in);
  return out;
}

Result<int> rerun(Wish wish, Context& context) {
  const Target target = TRY(target_of(context));
  Controller controller(target);
  const JobRecord old = TRY(controller.get_job(wish.key.job));
  // Its tasks have no common stdout.
  if (!old.spec.array.empty()) wish.sending.detach = true;
  if (wish.sending.json && !wish.sending.detach) {
    return Error{Code::kInvalid, "--json needs -d: without it stdout is the program's", {}};
  }
  wish.sending.keeps = !old.spec.cancel_on_disconnect;
  return send_job(target, context, TRY(submission_for(wish, old, context)), wish.sending);
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.words.size() != 1) {
    return Error{
        Code::kInvalid, "which job? Expected its number, and after -- another program", {}};
  }
  Wish wish;
  wish.key = TRY(parse_attempt_key(arguments.words[0]));
  if (arguments.has_dashes && arguments.program.empty()) {
    return Error{Code::kInvalid, "no program is named after --", {}};
  }
  wish.program = arguments.program;
  wish.failed = arguments.has("failed");
  if (wish.failed && wish.key.task != kNoTask) {
    return Error{Code::kInvalid, "--failed is of a whole array, and one task is named", {}};
  }
  wish.no_stdin = arguments.has("no-stdin");
  wish.sending.detach = arguments.has("detach");
  wish.sending.json = arguments.has("json");
  wish.sending.quiet = arguments.has("quiet");
  wish.sending.detach_keys = TRY(parse_detach_keys(kDefaultDetachKeys));
  return Action([=](Context& context) { return rerun(wish, context); });
}

}  // namespace

Command rerun_command() {
  return {{.name = "rerun",
           .usage = {"rerun [-d] [--failed] [--no-stdin] [-q] JOB [-- CMD [ARG…]]"},
           .purpose = "a job again, in the very same snapshot and environment",
           .text = "A new job: what was edited since is not in it, and what the first one wrote "
                   "neither. For the files as\n"
                   "they are now, type the command again.",
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
