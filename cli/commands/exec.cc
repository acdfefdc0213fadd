// `devrun exec`: a program beside a running job's, in its container.
#include <fmt/format.h>

#include "cli/commands/connect.h"
#include "cli/commands/session_options.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    kSessionTtyOption,
    kSessionNoTtyOption,
    kSessionEnvOption,
    {.letter = 'C',
     .name = "chdir",
     .value = "DIR",
     .meaning = "begin in this directory",
     .fallback = "the job's",
     .example = "-C /tmp"},
    kSessionNoStdinOption,
    kRankOption,
    kSessionKeysOption,
    kSessionQuietOption,
    kHelpOption,
};
constexpr Example kExamples[] = {{"devrun exec 42 nvidia-smi", "what its GPUs do"},
                                 {"devrun exec -t 42 bash", "a shell in it"},
                                 {"devrun exec --rank 3 42 py-spy dump --pid 2", "in one rank"}};

struct ExecWish {
  AttemptKey key;
  SessionOptions options;
  std::vector<std::string> command;
};

Result<int> exec(const ExecWish& wish, Context& context) {
  TRY(check_terminal(wish.options, context));
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  SessionWish session;
  session.id = TRY(new_request_id());
  session.program.argv = wish.command;
  session.program.cwd = wish.options.folder;
  set_streams(session.program, wish.options, context);
  session.env = TRY(session_environment({}, session.program, wish.options, context));
  Following following = session_following(wish.key.task_key(), wish.options, std::move(session));
  following.rank = wish.key.rank;
  following.patient = false;
  return follow_job(*controller, context, signals, following);
}

Result<Action> parse(const Arguments& arguments) {
  // The first word is the job, with all after it the program's.
  std::vector<std::string> words = arguments.program;
  if (words.empty() || arguments.has_dashes) {
    return Error{Code::kInvalid, "expected a job and a program", {}};
  }
  ExecWish wish;
  wish.key = TRY(parse_attempt_key(words[0]));
  wish.key.rank = TRY(chosen_rank(arguments, wish.key)).value_or(wish.key.rank);
  const bool dashes = words.size() > 1 && words[1] == "--";
  wish.command.assign(words.begin() + (dashes ? 2 : 1), words.end());
  if (wish.command.empty()) {
    return Error{Code::kInvalid, fmt::format("which program, in job {}?", words[0]), {}};
  }
  wish.options = TRY(read_session_options(arguments));
  if (!wish.options.folder.empty() && wish.options.folder[0] != '/') {
    return Error{
        Code::kInvalid, fmt::format("-C: '{}' is not an absolute path", wish.options.folder), {}};
  }
  return Action([=](Context& context) { return exec(wish, context); });
}

}  // namespace

Command exec_command() {
  return {{.name = "exec",
           .usage = {"exec [OPTIONS] JOB CMD [ARG…]"},
           .purpose = "run a program beside a running job, in its container",
           .text = "With the job's user, directory, environment, limits and GPUs, and with streams "
                   "and an exit "
                   "status of its own.\n"
                   "It ends with the job. Leaving it (Ctrl-\\ d, or a closed terminal) hangs it "
                   "up; the job goes on.",
           .options = kOptions,
           .examples = kExamples},
          parse,
          WordRule::kStopOptions};
}

}  // namespace devrun::cli
