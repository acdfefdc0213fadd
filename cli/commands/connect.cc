#include "cli/commands/connect.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "cli/client/identity_file.h"
#include "cli/commands/own_target.h"
#include "common/base/parse_number.h"
#include "common/base/units.h"

namespace devrun::cli {

Result<Target> target_of(const Context& context) {
  Target out = TRY(find_target(context.surroundings));
  TRY(keep_certificate(context.surroundings, out, wall_clock()));
  return out;
}

Result<std::unique_ptr<Controller>> controller_of(const Context& context) {
  return std::make_unique<Controller>(TRY(target_of(context)));
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

Result<std::optional<uint32_t>> chosen_rank(const Arguments& arguments, const AttemptKey& key) {
  const auto text = arguments.value("rank");
  if (!text) return key.rank != 0 ? std::optional(key.rank) : std::nullopt;
  if (const auto rank = parse_number<uint32_t>(*text)) return rank;
  return Error{Code::kInvalid, fmt::format("--rank: '{}' is not a whole number from 0", *text), {}};
}

Status check_attempt(const JobRecord& job, const AttemptKey& key) {
  const std::string name = to_string(key.task_key());
  const uint32_t ranks = std::max<uint32_t>(1, job.spec.nodes);
  if (key.rank >= ranks) {
    return Error{Code::kNotFound,
                 fmt::format("job {} has no rank {}: it has {}", name, key.rank,
                             ranks == 1 ? "one, rank 0" : fmt::format("ranks 0 to {}", ranks - 1)),
                 "devrun show " + name};
  }
  const bool has = std::ranges::any_of(job.attempts, [&](const AttemptRecord& attempt) {
    return attempt.key.attempt == key.attempt;
  });
  if (key.attempt <= 1 || has) return ok();
  return Error{Code::kNotFound, fmt::format("job {} has no attempt {}", name, key.attempt),
               "devrun show " + name};
}

Status no_words(const Arguments& arguments) {
  if (arguments.words.empty() && !arguments.has_dashes) return ok();
  const std::string word = arguments.words.empty() ? "--" : arguments.words[0];
  return Error{Code::kInvalid, fmt::format("expected no argument, not '{}'", word), {}};
}

Result<size_t> line_count(const std::string& text) {
  if (const auto value = parse_number<size_t>(text)) return *value;
  return Error{Code::kInvalid, fmt::format("--tail: '{}' is not a whole number from 0", text), {}};
}

Result<Time> since_when(const std::string& text) {
  const Time now = wall_clock();
  if (const auto span = parse_duration(text)) return Time{now.us - span->us};
  const std::time_t seconds_now = static_cast<std::time_t>(now.us / 1'000'000);
  constexpr int64_t kDaySeconds = 24 * 3600;
  for (const char* format : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                             "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"}) {
    std::tm parts{};
    const bool only_time = std::string_view(format).starts_with("%H");
    if (only_time) ::gmtime_r(&seconds_now, &parts);
    parts.tm_sec = 0;
    const char* rest = ::strptime(text.c_str(), format, &parts);
    if (rest == nullptr || (*rest != '\0' && std::string_view(rest) != "Z")) continue;
    int64_t at = ::timegm(&parts);
    if (only_time && at > seconds_now) at -= kDaySeconds;
    return Time{at * 1'000'000};
  }
  return Error{Code::kInvalid,
               fmt::format("--since: '{}' is neither a span such as 10m nor a time such as "
                           "2026-11-21T08:00 or 08:00, in UTC",
                           text),
               {}};
}

Time wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
}

}  // namespace devrun::cli
