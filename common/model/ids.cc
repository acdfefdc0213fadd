#include "common/model/ids.h"

#include <fmt/format.h>

#include <charconv>

namespace devrun {

std::string to_string(const TaskKey& key) {
  if (key.task == kNoTask) return fmt::format("{}", key.job);
  return fmt::format("{}_{}", key.job, key.task);
}

std::string to_string(const AttemptKey& key) {
  std::string out = to_string(key.task_key());
  if (key.rank != 0) out += fmt::format(".{}", key.rank);
  if (key.attempt != 1) out += fmt::format("#{}", key.attempt);
  return out;
}

std::string folder_name(const AttemptKey& key) {
  const std::string task = key.task == kNoTask ? "-" : fmt::format("{}", key.task);
  return fmt::format("{}_{}.{}#{}", key.job, task, key.rank, key.attempt);
}

namespace {

template <typename T>
bool take_number(std::string_view& text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

bool parse(std::string_view text, AttemptKey& key) {
  if (!take_number(text, key.job) || key.job == 0) return false;
  if (take(text, '_') && !take(text, '-')) {
    if (!take_number(text, key.task) || key.task < 0) return false;
  }
  if (take(text, '.') && !take_number(text, key.rank)) return false;
  if (take(text, '#') && (!take_number(text, key.attempt) || key.attempt == 0)) return false;
  return text.empty();
}

}  // namespace

Result<AttemptKey> parse_attempt_key(std::string_view text) {
  AttemptKey key;
  if (text.find('-') == std::string_view::npos && parse(text, key)) return key;
  return Error{Code::kInvalid,
               fmt::format("'{}' is not a job: expected a number such as 42, 42_3 or 42#2", text),
               "devrun ps -a"};
}

Result<AttemptKey> parse_folder_name(std::string_view text) {
  AttemptKey key;
  if (parse(text, key) && folder_name(key) == text) return key;
  return Error{
      Code::kInvalid, fmt::format("'{}' is not the name of an attempt's folder", text), {}};
}

}  // namespace devrun
