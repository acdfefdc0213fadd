// `devrun help`: all commands, or one.
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/connect.h"
#include "common/base/suggest.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {kHelpOption};
constexpr Example kExamples[] = {
    {"devrun help run", "every run option with its meaning, default and an example"}};

Result<std::string> text_for(const std::vector<std::string>& words) {
  std::vector<Help> helps;
  std::vector<std::string_view> names;
  for (const Command& command : all_commands()) {
    helps.push_back(command.help);
    names.push_back(command.help.name);
  }
  if (words.empty()) return render_overview(helps);
  const auto found = std::ranges::find(helps, words[0], &Help::name);
  if (found != helps.end()) return render_help(*found);
  const auto nearest = nearest_word(words[0], names);
  return Error{Code::kInvalid,
               fmt::format("'{}' is no command{}", words[0],
                           nearest ? fmt::format(", did you mean {}?", *nearest) : ""),
               "devrun help"};
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.words.size() > 1 || arguments.has_dashes)
    return Error{Code::kInvalid, "expected one command at most", {}};
  const std::string text = TRY(text_for(arguments.words));
  return Action([=](Context& context) -> Result<int> {
    TRY(context.console.data(text));
    return 0;
  });
}

}  // namespace

Command help_command() {
  return {{.name = "help",
           .usage = {"help [COMMAND]"},
           .purpose = "this text, or that of one command",
           .text = {},
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
