#include "cli/launch/source_text.h"

#include <algorithm>

namespace devrun::launch {

namespace {

constexpr auto kNone = std::string_view::npos;

// Where a plain scalar that begins at the front of `text` ends at the latest.
size_t plain_length(std::string_view text, bool in_flow) {
  size_t end = text.size();
  end = std::min({end, text.find(": "), text.find(" #")});
  if (text.ends_with(':')) end = std::min(end, text.size() - 1);
  if (in_flow) end = std::min(end, text.find_first_of(",[]{}"));
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  return std::max<size_t>(end, 1);
}

// To behind the closing quote; nothing if there is none.
std::optional<size_t> quoted_length(std::string_view text) {
  const char quote = text[0];
  for (size_t i = 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (quote == '\'' && text.substr(i).starts_with("''")) {
      ++i;
    } else if (text[i] == quote) {
      return i + 1;
    }
  }
  return std::nullopt;
}

}  // namespace

SourceText::SourceText(std::string text) : text_(std::move(text)) {
  begins_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') begins_.push_back(i + 1);
  }
}

std::string_view SourceText::line(int number) const {
  const size_t index = static_cast<size_t>(number) - 1;
  if (number < 1 || index >= begins_.size()) return {};
  const size_t begin = begins_[index];
  const size_t end = index + 1 < begins_.size() ? begins_[index + 1] - 1 : text_.size();
  return std::string_view(text_).substr(begin, end - begin);
}

Place SourceText::place(int line_from_0, int column_from_0) const {
  Place out{line_from_0 + 1, column_from_0 + 1, 1};
  const std::string_view whole = line(out.line);
  const auto column = static_cast<size_t>(column_from_0);
  if (column >= whole.size()) return out;
  const std::string_view rest = whole.substr(column);
  const char first = rest[0];
  if (first == '{' || first == '[' || first == '|' || first == '>') return out;
  const bool in_flow = whole.substr(0, column).find_first_of("[{") != kNone;
  const size_t length = first == '"' || first == '\'' ? quoted_length(rest).value_or(rest.size())
                                                      : plain_length(rest, in_flow);
  out.length = static_cast<int>(length);
  return out;
}

std::optional<Place> SourceText::null_at(int line_from_0, int column_from_0) const {
  const std::string_view whole = line(line_from_0 + 1);
  const auto column = static_cast<size_t>(column_from_0);
  if (column >= whole.size()) return std::nullopt;
  const Place found = place(line_from_0, column_from_0);
  const std::string_view token = whole.substr(column, static_cast<size_t>(found.length));
  for (const std::string_view word : {"~", "null", "Null", "NULL"}) {
    if (token == word) return found;
  }
  return std::nullopt;
}

bool SourceText::opens_endless_quote(int line_from_0, int column_from_0) const {
  const auto index = static_cast<size_t>(line_from_0);
  if (index >= begins_.size()) return false;
  std::string_view rest = text_;
  rest.remove_prefix(std::min(begins_[index] + static_cast<size_t>(column_from_0), rest.size()));
  while (rest.starts_with('&') || rest.starts_with('!')) {
    rest.remove_prefix(std::min(rest.find_first_of(" \t\n"), rest.size()));
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\n"), rest.size()));
  }
  if (!rest.starts_with('"') && !rest.starts_with('\'')) return false;
  return !quoted_length(rest);
}

bool SourceText::indented_by_tab(int number) const {
  const std::string_view whole = line(number);
  return whole.substr(0, std::min(whole.find_first_not_of(" \t"), whole.size())).find('\t') !=
         kNone;
}

Place SourceText::indent_of(int number) const {
  const std::string_view whole = line(number);
  const size_t tab = std::min(whole.find('\t'), whole.size());
  const size_t end = std::min(whole.find_first_not_of('\t', tab), whole.size());
  return {number, static_cast<int>(tab) + 1, static_cast<int>(std::max<size_t>(end - tab, 1))};
}

}  // namespace devrun::launch
