#include "cli/commands/signal_names.h"

#include <fmt/format.h>

#include <csignal>
#include <string>

#include "common/base/parse_number.h"

namespace devrun::cli {

namespace {

struct Named {
  std::string_view name;
  int number;
};
constexpr Named kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},  {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},  {"TERM", SIGTERM},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"WINCH", SIGWINCH}};

}  // namespace

Result<int> parse_signal(std::string_view text) {
  std::string_view name = text;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const Named& signal : kSignals) {
    if (signal.name == name) return signal.number;
  }
  const auto number = parse_number<int>(text);
  if (number && *number >= 1 && *number <= 64) return *number;
  return Error{Code::kInvalid,
               fmt::format("'{}' is no signal: expected a name such as USR1, or a number", text),
               {}};
}

}  // namespace devrun::cli
