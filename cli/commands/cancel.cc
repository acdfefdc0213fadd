// `devrun cancel`: ends jobs, or sends them one signal.
#include <fmt/format.h>

#include <charconv>
#include <csignal>

#include "cli/commands/connect.h"

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

struct Named {
  std::string_view name;
  int number;
};
constexpr Named kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},  {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},  {"TERM", SIGTERM},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"WINCH", SIGWINCH}};

Result<int> parse_signal(std::string_view text) {
  std::string_view name = text;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const Named& signal : kSignals) {
    if (signal.name == name) return signal.number;
  }
  int number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc{} && end == text.data() + text.size() && number >= 1 && number <= 64)
    return number;
  return Error{
      Code::kInvalid,
      fmt::format("--signal: '{}' is no signal: expected a name such as USR1, or a number", text),
      {}};
}

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
    }
  }
  return status;
}

Result<Action> parse(const Arguments& arguments) {
  const auto jobs = TRY(some_jobs(arguments));
  const auto text = arguments.value("signal");
  const int signal = text ? TRY(parse_signal(*text)) : 0;
  const bool quiet = arguments.has("quiet");
  return Action([=](Context& context) { return cancel(jobs, signal, quiet, context); });
}

}  // namespace

Command cancel_command() {
  return {{.name = "cancel",
           .usage = {"cancel [--signal S] JOB…"},
           .purpose = "end jobs",
           .text = "Answers when it is on record that the jobs are to end; `devrun wait` waits "
                   "until they have.",
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
