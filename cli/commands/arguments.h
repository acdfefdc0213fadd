// Command lines against a table of options (cli/help): `-g 2`, `-g2`, `--gpus 2`, `--gpus=2`,
// `-dq`. Everything that is refused is said with the nearest right word. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/help/help.h"
#include "common/base/result.h"

namespace devrun::cli {

struct Given {
  const Option* option = nullptr;
  std::string value;
  std::string as_typed;  // "-g", "--gpus", for errors
};

struct Arguments {
  std::vector<Given> given;        // in order
  std::vector<std::string> words;  // before `--`
  bool has_dashes = false;
  std::vector<std::string> program;  // after `--`; with kAtFirstWord also from the first word on

  bool has(std::string_view name) const;
  // Of the last one given.
  std::optional<std::string> value(std::string_view name) const;
  std::vector<std::string> values(std::string_view name) const;
};

enum class WordRule {
  kStopOptions,  // the first word and all after it are a program's: options before it are ours
  kBetween,      // words and options may mix, up to `--`
};

Result<Arguments> parse_arguments(std::span<const std::string> arguments,
                                  std::span<const Option> options, WordRule rule);

}  // namespace devrun::cli
