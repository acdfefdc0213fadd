#include "cli/help/help.h"

#include <fmt/format.h>

#include <algorithm>

namespace devrun::cli {

namespace {

constexpr size_t kWidth = 100;
constexpr std::string_view kNotYet = "not in this version yet";

std::string option_text(const Option& option) {
  std::string text(option.meaning);
  if (!option.supported) text += fmt::format(" ({})", kNotYet);
  if (!option.fallback.empty()) text += fmt::format("; default: {}", option.fallback);
  if (!option.example.empty()) text += fmt::format("; example: {}", option.example);
  return text;
}

// Two columns: terms and their meaning; a term too long for its column gets a line of its own.
std::string definition(std::string_view term, std::string_view meaning, size_t column) {
  const size_t indent = column + 4;
  std::string out = fmt::format("  {:<{}}", term, column);
  out += term.size() > column ? fmt::format("\n{:{}}", "", indent) : "  ";
  return out + wrap(meaning, indent, kWidth) + "\n";
}

}  // namespace

std::string wrap(std::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = indent;
  while (!text.empty()) {
    const size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    if (column > indent && column + 1 + word.size() > width) {
      out += fmt::format("\n{:{}}", "", indent);
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    if (blank == std::string_view::npos) break;
    text.remove_prefix(blank + 1);
  }
  return out;
}

std::string option_synopsis(const Option& option) {
  std::string out = option.letter != 0 ? fmt::format("-{}", option.letter) : std::string("   ");
  if (!option.name.empty())
    out += fmt::format("{} --{}", option.letter != 0 ? "," : "", option.name);
  if (!option.value.empty()) out += fmt::format(" {}", option.value);
  return out;
}

std::string render_help(const Help& help) {
  std::string out;
  std::string_view lead = "usage: ";
  for (const std::string_view usage : help.usage) {
    out += fmt::format("{}devrun {}\n", lead, usage);
    lead = "       ";
  }
  out += fmt::format("\n{}\n", wrap(help.purpose, 0, kWidth));
  if (!help.supported) out += fmt::format("({})\n", kNotYet);
  if (!help.text.empty()) out += fmt::format("\n{}\n", help.text);
  if (!help.options.empty()) {
    constexpr size_t kOptionColumn = 26;
    out += "\noptions:\n";
    for (const Option& option : help.options) {
      out += definition(option_synopsis(option), option_text(option), kOptionColumn);
    }
  }
  if (!help.examples.empty()) {
    out += "\nexamples:\n";
    for (const Example& example : help.examples) {
      out += fmt::format("  {}\n      {}\n", example.line, wrap(example.meaning, 6, kWidth));
    }
  }
  return out;
}

std::string render_overview(std::span<const Help> commands) {
  std::string out =
      "usage: devrun [OPTIONS] [--] CMD [ARG…]    run CMD on a node, in a snapshot of this volume\n"
      "       devrun COMMAND …                    one of the commands below\n"
      "\n"
      "A first word that is a command below is that command; `devrun -- WORD …` always runs a "
      "program.\n"
      "\ncommands:\n";
  size_t column = 0;
  for (const Help& help : commands) column = std::max(column, help.name.size());
  for (const Help& help : commands) {
    if (help.supported) out += definition(help.name, help.purpose, column);
  }
  std::string missing;
  for (const Help& help : commands) {
    if (!help.supported) missing += definition(help.name, help.purpose, column);
  }
  if (!missing.empty()) out += "\nnot in this version yet:\n" + missing;
  out += "\n`devrun help COMMAND` says more of one, `devrun help run` all run options.\n";
  return out;
}

}  // namespace devrun::cli
