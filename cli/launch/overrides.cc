#include "cli/launch/overrides.h"

#include <fmt/format.h>

#include "common/base/shell_words.h"

namespace devrun::launch {

namespace {

void set(GivenValues& out, bool secret, const std::string& name, std::string value) {
  if (secret) {
    out.secrets[name] = std::move(value);
    return;
  }
  for (auto& [known, old] : out.envs) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  out.envs.emplace_back(name, std::move(value));
}

void read_flags(const std::vector<std::string>& flags, bool secret, const Overrides& overrides,
                GivenValues& out, std::vector<Diagnostic>& diagnostics) {
  const std::string_view flag = secret ? "--secret" : "--env";
  for (size_t i = 0; i < flags.size(); ++i) {
    const size_t equals = flags[i].find('=');
    const std::string name = flags[i].substr(0, equals);
    if (!is_variable_name(name)) {
      // What was typed may be a value: it is not shown.
      diagnostics.push_back(error_at(
          {}, fmt::format("{} number {} does not begin with the name of a variable", flag, i + 1),
          fmt::format("{} NAME=VALUE; a name is {}", flag, kNameExpected)));
    } else if (equals != std::string::npos) {
      set(out, secret, name, flags[i].substr(equals + 1));
    } else if (auto value = overrides.caller_environment ? overrides.caller_environment(name)
                                                         : std::nullopt) {
      set(out, secret, name, *std::move(value));
    } else {
      diagnostics.push_back(error_at({}, fmt::format("{} {}: {} is not set here", flag, name, name),
                                     fmt::format("{} {}=VALUE", flag, name)));
    }
  }
}

// One line of an env file, from the left.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_(line) { skip_blanks(); }

  bool done_or_comment() const { return rest().empty() || rest().starts_with('#'); }
  std::string_view name() {
    if (rest().starts_with("export ")) {
      at_ += 7;
      skip_blanks();
    }
    const size_t begin = at_;
    while (at_ < line_.size() && line_[at_] != '=' && line_[at_] != ' ' && line_[at_] != '\t')
      ++at_;
    const std::string_view out = line_.substr(begin, at_ - begin);
    skip_blanks();
    return out;
  }
  bool equals() {
    if (!rest().starts_with('=')) return false;
    ++at_;
    skip_blanks();
    return true;
  }
  // Nothing: a quote never ends, or something follows it.
  std::optional<std::string> value() {
    if (rest().starts_with('\'') || rest().starts_with('"')) return quoted();
    std::string_view out = rest();
    if (out.starts_with('#')) return "";
    out = out.substr(0, std::min(out.find(" #"), out.size()));
    while (out.ends_with(' ') || out.ends_with('\t')) out.remove_suffix(1);
    return std::string(out);
  }
  int column() const { return static_cast<int>(at_) + 1; }

 private:
  std::string_view rest() const { return line_.substr(at_); }
  void skip_blanks() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t')) ++at_;
  }
  std::optional<std::string> quoted() {
    const char quote = line_[at_++];
    std::string out;
    while (at_ < line_.size() && line_[at_] != quote) {
      if (quote == '"' && line_[at_] == '\\' && at_ + 1 < line_.size()) {
        const char c = line_[++at_];
        out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      } else {
        out += line_[at_];
      }
      ++at_;
    }
    if (at_ == line_.size()) return std::nullopt;
    ++at_;
    skip_blanks();
    return done_or_comment() ? std::optional(out) : std::nullopt;
  }

  std::string_view line_;
  size_t at_ = 0;
};

}  // namespace

std::vector<std::pair<std::string, std::optional<std::string>>> parse_env_file(
    const std::string& text, const std::string& name, std::vector<Diagnostic>& diagnostics) {
  std::vector<std::pair<std::string, std::optional<std::string>>> out;
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    LineReader reader(line);
    if (reader.done_or_comment()) continue;
    const auto complain = [&](std::string message, std::string hint) {
      Diagnostic d = error_at({number, reader.column(), 1}, std::move(message), std::move(hint));
      d.file = name;
      diagnostics.push_back(std::move(d));
    };
    const std::string key(reader.name());
    if (!is_variable_name(key)) {
      complain("the line does not begin with the name of a variable", "expected NAME=VALUE");
      continue;
    }
    if (reader.equals()) {
      auto value = reader.value();
      if (!value || value->find('\0') != std::string::npos) {
        complain(fmt::format("the value of {} cannot be read", key),
                 "a quote must end on its line");
      } else {
        out.emplace_back(key, std::move(value));
      }
    } else if (reader.done_or_comment()) {
      out.emplace_back(key, std::nullopt);
    } else {
      complain(fmt::format("expected '=' after {}", key), "expected NAME=VALUE");
    }
  }
  return out;
}

GivenValues read_given(const Overrides& overrides, std::vector<Diagnostic>& diagnostics) {
  GivenValues out;
  if (overrides.env_file_text) {
    for (auto& [name, value] :
         parse_env_file(*overrides.env_file_text, overrides.env_file_name, diagnostics)) {
      if (!value && overrides.caller_environment) value = overrides.caller_environment(name);
      if (value) set(out, false, name, *std::move(value));
    }
  }
  read_flags(overrides.envs, false, overrides, out, diagnostics);
  read_flags(overrides.secrets, true, overrides, out, diagnostics);
  return out;
}

}  // namespace devrun::launch
