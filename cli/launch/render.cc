// How diagnostics look. Source lines are shown with care: tabs and control characters must not move
// the caret or drive the terminal, long lines are cut around the place, and a line of a `secrets:`
// block keeps its key alone. That block is found in the text, since a file with a syntax error has
// no tree.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/launch/diagnostic.h"
#include "cli/launch/encoding.h"

namespace devrun::launch {

namespace {

constexpr size_t kShownMax = 100;  // bytes of a source line
constexpr std::string_view kMask = "***";

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    if (end == text.size()) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string_view without_indent(std::string_view line) {
  return line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
}

bool is_identifier(std::string_view text) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !text.empty() && text.find_first_not_of(kLetters) == std::string_view::npos;
}

std::string_view unquoted(std::string_view key) {
  if (key.size() >= 2 && (key.front() == '"' || key.front() == '\'') && key.back() == key.front()) {
    return key.substr(1, key.size() - 2);
  }
  return key;
}

bool begins_secrets(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view key = line.substr(0, colon);
  while (key.ends_with(' ')) key.remove_suffix(1);
  return unquoted(key) == "secrets" || unquoted(key) == "managed_secrets";
}

// `KEY: value` → `KEY: ***`; `- NAME` stays; anything else may be part of a value.
std::string masked_entry(std::string_view line) {
  const std::string_view body = without_indent(line);
  const std::string indent(line.substr(0, line.size() - body.size()));
  if (body.empty() || body.starts_with('#')) return indent;
  if (body.starts_with("- ") && is_identifier(body.substr(2))) return std::string(line);
  const size_t colon = body.find(':');
  if (colon != std::string_view::npos && is_identifier(unquoted(body.substr(0, colon)))) {
    const bool bare = colon + 1 == body.size();
    return indent + std::string(body.substr(0, colon + 1)) + (bare ? "" : " ***");
  }
  return indent + std::string(kMask);
}

// A line as it may be shown, or nothing if none of it may.
class Source {
 public:
  explicit Source(std::string_view text) : lines_(split_lines(text)) { find_secrets(); }

  std::optional<std::string> line(int number) const {
    const size_t index = static_cast<size_t>(number) - 1;
    if (number < 1 || index >= lines_.size() || flow_with_secrets_) return std::nullopt;
    const std::string_view line = lines_[index];
    if (!in_secrets_[index]) return std::string(line);
    const std::string_view body = without_indent(line);
    const size_t indent = line.size() - body.size();
    // Only the block's own keys are sure to be names: deeper lines belong to values.
    const bool own = begins_secrets(body) || indent == entry_indent_[index];
    return own ? masked_entry(line) : std::string(indent, ' ') + std::string(kMask);
  }

 private:
  // The block goes on while lines stand deeper than its key, or are items of a list at its column.
  void find_secrets() {
    in_secrets_.resize(lines_.size());
    entry_indent_.resize(lines_.size());
    bool inside = false;
    bool any = false;
    size_t key_indent = 0;
    size_t entry_indent = 0;
    std::string_view first;
    for (size_t i = 0; i < lines_.size(); ++i) {
      const std::string_view body = without_indent(lines_[i]);
      const size_t indent = lines_[i].size() - body.size();
      if (!body.empty() && !body.starts_with('#')) {
        if (first.empty() && !body.starts_with("---")) first = body;
        any = any || body.find("secrets") != std::string_view::npos;
        const bool item = indent == key_indent && body.starts_with("- ");
        if (inside && indent <= key_indent && !item) inside = false;
        if (!inside && begins_secrets(body)) {
          inside = true;
          key_indent = indent;
          entry_indent = 0;
        } else if (inside && entry_indent == 0) {
          entry_indent = indent;
        }
      }
      in_secrets_[i] = inside;
      entry_indent_[i] = entry_indent;
    }
    flow_with_secrets_ = any && first.starts_with('{');
  }

  std::vector<std::string_view> lines_;
  std::vector<bool> in_secrets_;
  std::vector<size_t> entry_indent_;
  bool flow_with_secrets_ = false;
};

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// One cell a character: control characters and broken UTF-8 are shown as '?', tabs as blanks.
std::string one_cell_each(std::string_view line) {
  std::string out;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    out += c == '\t' ? ' ' : (byte < 0x20 || byte == 0x7F) ? '?' : c;
  }
  return out;
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::string underlined(const Diagnostic& d, const std::string& line) {
  size_t begin = std::min(static_cast<size_t>(std::max(d.column, 1)) - 1, line.size());
  size_t end = std::min(begin + static_cast<size_t>(std::max(d.length, 1)), line.size());
  size_t from = 0;
  if (end > kShownMax) from = begin > kShownMax / 2 ? begin - kShownMax / 2 : 0;
  while (from < line.size() && from > 0 && continues_character(line[from])) --from;
  std::string_view shown = std::string_view(line).substr(from);
  size_t cut = std::min(shown.size(), kShownMax);
  while (cut > 0 && cut < shown.size() && continues_character(shown[cut])) --cut;
  shown = shown.substr(0, cut);
  begin = std::min(begin - from, shown.size());
  end = std::min(end - from, shown.size());
  const size_t before = characters(shown.substr(0, begin));
  const size_t wide = std::max<size_t>(1, characters(shown.substr(begin, end - begin)));
  return fmt::format("{:5} | {}\n      | {}^{}\n", d.line, one_cell_each(shown),
                     std::string(before, ' '), std::string(wide - 1, '~'));
}

}  // namespace

std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view file_name,
                   std::string_view text, const Redactions& redactions) {
  const DecodedText decoded = decode_text(text);  // as the parser counted its lines and columns
  const Source source(decoded.text);
  std::string out;
  for (const Diagnostic& d : diagnostics) {
    const std::string name = d.file.empty() ? std::string(file_name) : d.file;
    const std::string_view word = d.severity == Severity::kError ? "error" : "warning";
    const std::string message = one_cell_each(redactions.apply(d.message));
    if (d.line == 0) {
      out += fmt::format("{}: {}: {}\n", name, word, message);
    } else {
      out += fmt::format("{}:{}:{}: {}: {}\n", name, d.line, d.column, word, message);
      const auto line = d.file.empty() ? source.line(d.line) : std::nullopt;
      if (line) out += underlined(d, redactions.apply(*line));
    }
    if (!d.hint.empty())
      out += fmt::format("      = {}\n", one_cell_each(redactions.apply(d.hint)));
  }
  return out;
}

}  // namespace devrun::launch
