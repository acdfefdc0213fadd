#include "cli/commands/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/suggest.h"
#include "common/base/utf8.h"

namespace devrun::cli {

namespace {

const Option* by_name(std::span<const Option> options, std::string_view name) {
  const auto at = std::ranges::find(options, name, &Option::name);
  return at == options.end() ? nullptr : &*at;
}

const Option* by_letter(std::span<const Option> options, char letter) {
  const auto at = std::ranges::find(options, letter, &Option::letter);
  return at == options.end() ? nullptr : &*at;
}

Error unknown(std::span<const Option> options, std::string_view typed, std::string_view name) {
  std::vector<std::string_view> names{"help"};
  for (const Option& option : options) names.push_back(option.name);
  Error error{Code::kInvalid, fmt::format("unknown option {}", typed), {}};
  if (const auto nearest = nearest_word(name, names))
    error.message += fmt::format(", did you mean --{}?", *nearest);
  return error;
}

Error not_supported(std::string_view typed) {
  return {Code::kUnsupported, fmt::format("{} is not supported yet in this version", typed), {}};
}

Error needs_value(const Option& option, std::string_view typed) {
  std::string message = fmt::format("{} needs a value: {} {}", typed, typed, option.value);
  if (!option.example.empty()) message += fmt::format(", such as {}", option.example);
  return {Code::kInvalid, std::move(message), {}};
}

class Parser {
 public:
  Parser(std::span<const std::string> arguments, std::span<const Option> options)
      : left_(arguments), options_(options) {}

  Result<Arguments> parse(WordRule rule) {
    while (!left_.empty()) {
      const std::string argument = left_.front();
      left_ = left_.subspan(1);
      if (argument == "--") {
        out_.has_dashes = true;
        out_.program.assign(left_.begin(), left_.end());
        break;
      }
      if (argument.starts_with("--")) {
        TRY(take_long(argument));
      } else if (argument.size() > 1 && argument[0] == '-') {
        TRY(take_letters(argument));
      } else if (rule == WordRule::kStopOptions) {
        out_.program.push_back(argument);
        out_.program.insert(out_.program.end(), left_.begin(), left_.end());
        break;
      } else {
        out_.words.push_back(argument);
      }
    }
    TRY(check_text());
    return std::move(out_);
  }

 private:
  // Paths and variables are bytes, all else is text.
  Status check_text() const {
    constexpr std::string_view kBytes[] = {"chdir", "env", "env-file", "secret"};
    for (const Given& given : out_.given) {
      if (is_utf8(given.value) || std::ranges::count(kBytes, given.option->name) > 0) continue;
      return Error{Code::kInvalid,
                   fmt::format("{}: '{}' is no UTF-8 text", given.as_typed, in_utf8(given.value)),
                   {}};
    }
    return ok();
  }

  Status take_long(const std::string& argument) {
    const size_t equals = argument.find('=');
    const std::string typed = argument.substr(0, equals);
    const Option* option = by_name(options_, std::string_view(typed).substr(2));
    if (option == nullptr) return unknown(options_, typed, std::string_view(typed).substr(2));
    if (!option->supported) return not_supported(typed);
    if (equals == std::string::npos) return add(*option, typed);
    if (option->value.empty())
      return Error{Code::kInvalid, fmt::format("{} takes no value", typed), {}};
    out_.given.push_back({option, argument.substr(equals + 1), typed});
    return ok();
  }

  Status take_letters(const std::string& argument) {
    for (size_t i = 1; i < argument.size(); ++i) {
      const std::string typed{'-', argument[i]};
      const Option* option = by_letter(options_, argument[i]);
      if (option == nullptr) return unknown(options_, typed, argument.substr(1));
      if (!option->supported) return not_supported(typed);
      const bool value_follows = !option->value.empty() && i + 1 < argument.size();
      if (value_follows) {
        out_.given.push_back({option, argument.substr(i + 1), typed});
        return ok();
      }
      TRY(add(*option, typed));
    }
    return ok();
  }

  // An option whose value, if it takes one, is the next argument.
  Status add(const Option& option, const std::string& typed) {
    if (option.value.empty()) {
      out_.given.push_back({&option, {}, typed});
      return ok();
    }
    if (left_.empty()) return needs_value(option, typed);
    out_.given.push_back({&option, left_.front(), typed});
    left_ = left_.subspan(1);
    return ok();
  }

  std::span<const std::string> left_;
  std::span<const Option> options_;
  Arguments out_;
};

}  // namespace

bool Arguments::has(std::string_view name) const {
  return std::ranges::any_of(given, [&](const Given& one) { return one.option->name == name; });
}

std::optional<std::string> Arguments::value(std::string_view name) const {
  auto all = values(name);
  if (all.empty()) return std::nullopt;
  return std::move(all.back());
}

std::vector<std::string> Arguments::values(std::string_view name) const {
  std::vector<std::string> out;
  for (const Given& one : given) {
    if (one.option->name == name) out.push_back(one.value);
  }
  return out;
}

Result<Arguments> parse_arguments(std::span<const std::string> arguments,
                                  std::span<const Option> options, WordRule rule) {
  return Parser(arguments, options).parse(rule);
}

}  // namespace devrun::cli
