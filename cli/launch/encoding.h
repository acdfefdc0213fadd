// Before YAML: is this text at all? UTF-8 and printable, as PyYAML demands, with unix line ends.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/launch/diagnostic.h"

namespace devrun::launch {

struct DecodedText {
  std::string text;  // without byte order mark, every line end is '\n'
  std::optional<Diagnostic> error;
};
DecodedText decode_text(std::string_view bytes);

}  // namespace devrun::launch
