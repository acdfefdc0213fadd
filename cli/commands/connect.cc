#include "cli/commands/connect.h"

#include <fmt/format.h>

#include <chrono>

namespace devrun::cli {

Result<std::unique_ptr<Controller>> controller_of(const Context& context) {
  return std::make_unique<Controller>(TRY(find_target(context.surroundings)));
}

Result<std::vector<AttemptKey>> some_jobs(const Arguments& arguments) {
  if (arguments.has_dashes) return Error{Code::kInvalid, "expected jobs, and no `--`", {}};
  if (arguments.words.empty()) return Error{Code::kInvalid, "which job? Expected its number", {}};
  std::vector<AttemptKey> out;
  for (const std::string& word : arguments.words) out.push_back(TRY(parse_attempt_key(word)));
  return out;
}

Result<AttemptKey> one_job(const Arguments& arguments) {
  const auto jobs = TRY(some_jobs(arguments));
  if (jobs.size() == 1) return jobs[0];
  return Error{Code::kInvalid, fmt::format("expected one job, not {}", jobs.size()), {}};
}

Status no_words(const Arguments& arguments) {
  if (arguments.words.empty() && !arguments.has_dashes) return ok();
  const std::string word = arguments.words.empty() ? "--" : arguments.words[0];
  return Error{Code::kInvalid, fmt::format("expected no argument, not '{}'", word), {}};
}

Time wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
}

}  // namespace devrun::cli
