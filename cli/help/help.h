// How a command describes itself. Each command keeps its text beside its code and in this form, so
// that the parser, `devrun help`, `--help` and the completions read the same table and cannot
// disagree.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace devrun::cli {

struct Option {
  char letter = 0;                 // -g; 0: none
  std::string_view name = {};      // "gpus", without dashes
  std::string_view value = {};     // "N[:TYPE]"; empty: a flag
  std::string_view meaning = {};   // one sentence without full stop
  std::string_view fallback = {};  // what holds without it; empty: nothing of the kind
  std::string_view example = {};   // "-g 2:a100"
  bool supported = true;           // false: in the contract, and not in this version
};

struct Example {
  std::string_view line = {};
  std::string_view meaning = {};
};

struct Help {
  std::string_view name = {};                // "ps"
  std::vector<std::string_view> usage = {};  // without "devrun "
  std::string_view purpose = {};             // one line for the overview
  std::string_view text = {};                // paragraphs; may be empty
  std::span<const Option> options = {};
  std::span<const Example> examples = {};
  bool supported = true;
};

// The full text of one command, ending with a newline.
std::string render_help(const Help& help);

// The overview of all commands, in the order given.
std::string render_overview(std::span<const Help> commands);

// "-g, --gpus N[:TYPE]"
std::string option_synopsis(const Option& option);

// Breaks at blanks so that lines stay below `width`; further lines begin with `indent` blanks.
std::string wrap(std::string_view text, size_t indent, size_t width);

}  // namespace devrun::cli
