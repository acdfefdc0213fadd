#include "cli/launch/substitute.h"

#include <fmt/format.h>

#include "common/base/shell_words.h"

namespace devrun::launch {

namespace {

// The reference at the front of `text`, which begins with '$': its name and how long it is written.
struct Reference {
  std::string_view name;
  size_t length = 0;
};

Reference reference_at(std::string_view text) {
  const bool braced = text.starts_with("${");
  const size_t begin = braced ? 2 : 1;
  size_t end = begin;
  while (end < text.size() && is_variable_name(text.substr(begin, end + 1 - begin))) ++end;
  if (end == begin) return {};
  const std::string_view name = text.substr(begin, end - begin);
  if (!braced) return {name, end};
  if (end == text.size() || text[end] != '}') return {};
  return {name, end + 1};
}

}  // namespace

Substituted substitute(std::string_view text, const VariableLookup& lookup) {
  Substituted out;
  while (!text.empty()) {
    const size_t dollar = std::min(text.find('$'), text.size());
    out.value += text.substr(0, dollar);
    out.shown += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.empty()) break;
    const Reference reference = reference_at(text);
    const auto value = reference.length > 0 ? lookup(reference.name) : std::nullopt;
    const std::string_view written = text.substr(0, std::max<size_t>(reference.length, 1));
    out.value += value ? std::string_view(value->value) : written;
    out.shown += value && !value->secret ? std::string_view(value->value) : written;
    text.remove_prefix(written.size());
  }
  return out;
}

}  // namespace devrun::launch
