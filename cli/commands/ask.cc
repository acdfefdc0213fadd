#include "cli/commands/ask.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/client/terminal.h"

namespace devrun::cli {

namespace {

constexpr size_t kAnswerBytesMax = 4096;

std::string read_line(int fd) {
  std::string out;
  char c = 0;
  while (out.size() < kAnswerBytesMax && ::read(fd, &c, 1) == 1 && c != '\n') out += c;
  return out;
}

}  // namespace

Status ask_for_name(Context& context, std::string_view what, const std::string& name) {
  if (!is_terminal(context.in)) {
    return Error{Code::kInvalid, fmt::format("{}: nobody is here to confirm it", what),
                 "the same with --yes"};
  }
  context.console.say_plain(fmt::format("devrun: {}. Type its name, {}, to go on: ", what, name));
  if (read_line(context.in) == name) return ok();
  return Error{Code::kInvalid, "that was not its name: nothing was changed", {}};
}

bool ask_whether(Context& context, std::string_view question) {
  if (!is_terminal(context.in)) return false;
  context.console.say_plain(fmt::format("devrun: {} [y/N] ", question));
  const std::string answer = read_line(context.in);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace devrun::cli
