#include "cli/transfer/ignore_rules.h"

#include <algorithm>

#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr size_t kRulesMax = 10'000;

// One of `[abc]`, `[a-z]`, `[!…]` at the front of `pattern`; `used` is its length, 0 if it is none.
bool matches_set(std::string_view pattern, char c, size_t& used) {
  const bool negated = pattern.size() > 1 && (pattern[1] == '!' || pattern[1] == '^');
  size_t at = negated ? 2 : 1;
  bool found = false;
  const size_t first = at;
  for (; at < pattern.size() && (pattern[at] != ']' || at == first); ++at) {
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      found |= pattern[at] <= c && c <= pattern[at + 2];
      at += 2;
    } else {
      found |= pattern[at] == c;
    }
  }
  used = at < pattern.size() ? at + 1 : 0;
  return found != negated && c != '/';
}

// Linear but for the two places to go back to, one for `*` and one for `**`.
bool matches(std::string_view pattern, std::string_view text) {
  constexpr size_t kNone = std::string_view::npos;
  size_t p = 0;
  size_t t = 0;
  size_t star = kNone;
  size_t star_text = 0;
  size_t deep = kNone;
  size_t deep_text = 0;
  while (t < text.size()) {
    if (pattern.substr(p).starts_with("**")) {
      deep = p = p + 2 + (pattern.substr(p + 2).starts_with('/') ? 1 : 0);
      deep_text = t;
      star = kNone;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    size_t used = 0;
    bool same = false;
    if (p < pattern.size()) {
      if (pattern[p] == '[') same = matches_set(pattern.substr(p), text[t], used) && used > 0;
      if (used == 0) {
        const bool escaped = pattern[p] == '\\' && p + 1 < pattern.size();
        const char wanted = escaped ? pattern[p + 1] : pattern[p];
        used = escaped ? 2 : 1;
        same = wanted == text[t] || (!escaped && wanted == '?' && text[t] != '/');
      }
    }
    if (same) {
      p += used;
      ++t;
    } else if (star != kNone && text[star_text] != '/') {
      p = star;
      t = ++star_text;
    } else if (deep != kNone) {
      p = deep;
      t = ++deep_text;
      star = kNone;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

IgnoreRules IgnoreRules::of_folder(const std::string& folder) {
  for (const char* name : {"/.skyignore", "/.gitignore"}) {
    if (const auto text = read_file(folder + name, kFileBytesMax)) return parse(*text);
  }
  return {};
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  IgnoreRules out;
  while (!text.empty() && out.rules_.size() < kRulesMax) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with(' ') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    Rule rule;
    if (line.starts_with('!')) {
      rule.takes_back = true;
      line.remove_prefix(1);
    }
    if (line.starts_with("./")) line.remove_prefix(1);
    if (line.ends_with('/')) {
      rule.folders_only = true;
      line.remove_suffix(1);
    }
    rule.from_top = line.find('/') != std::string_view::npos;
    if (line.starts_with('/')) line.remove_prefix(1);
    if (line.empty()) continue;
    rule.pattern = std::string(line);
    out.rules_.push_back(std::move(rule));
  }
  return out;
}

bool IgnoreRules::leaves_out(std::string_view path, bool is_folder) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == ".git") return true;
  bool out = false;
  for (const Rule& rule : rules_) {
    if (rule.folders_only && !is_folder) continue;
    if (matches(rule.pattern, rule.from_top ? path : name)) out = !rule.takes_back;
  }
  return out;
}

}  // namespace devrun::cli
