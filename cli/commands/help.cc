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

// `help volume create`: the second words that a command has stand in its usage.
Status check_part(const Help& help, const std::string& word) {
  std::vector<std::string> parts;
  for (const std::string_view usage : help.usage) {
    const size_t space = usage.find(' ');
    if (space == std::string_view::npos) continue;
    std::string_view rest = usage.substr(space + 1);
    rest = rest.substr(0, rest.find(' '));
    for (size_t at = 0; at <= rest.size();) {
      const size_t end = std::min(rest.find('|', at), rest.size());
      const std::string_view part = rest.substr(at, end - at);
      const auto is_small = [](char c) { return c >= 'a' && c <= 'z'; };
      if (!part.empty() && std::ranges::all_of(part, is_small)) parts.emplace_back(part);
      at = end + 1;
    }
  }
  if (std::ranges::count(parts, word) > 0) return ok();
  const std::vector<std::string_view> views(parts.begin(), parts.end());
  const auto nearest = nearest_word(word, views);
  return Error{Code::kInvalid,
               fmt::format("'{}' is no part of {}{}", word, help.name,
                           nearest ? fmt::format(", did you mean {}?", *nearest) : ""),
               fmt::format("devrun help {}", help.name)};
}

Result<std::string> text_for(const std::vector<std::string>& words) {
  std::vector<Help> helps;
  std::vector<std::string_view> names;
  for (const Command& command : all_commands()) {
    helps.push_back(command.help);
    names.push_back(command.help.name);
  }
  if (words.empty()) return render_overview(helps);
  const auto found = std::ranges::find(helps, words[0], &Help::name);
  if (found == helps.end()) {
    const auto nearest = nearest_word(words[0], names);
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no command{}", words[0],
                             nearest ? fmt::format(", did you mean {}?", *nearest) : ""),
                 nearest ? "devrun help " + *nearest : "devrun help"};
  }
  if (words.size() > 1) TRY(check_part(*found, words[1]));
  return render_help(*found);
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.words.size() > 2 || arguments.has_dashes)
    return Error{Code::kInvalid, "expected one command at most, or one and its first word", {}};
  const std::string text = TRY(text_for(arguments.words));
  return Action([=](Context& context) -> Result<int> {
    TRY(context.console.data(text));
    return 0;
  });
}

}  // namespace

Command help_command() {
  return {{.name = "help",
           .usage = {"help [COMMAND [WORD]]"},
           .purpose = "this text, or that of one command",
           .text = {},
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
