#include "cli/output/changes_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output/console.h"
#include "cli/output/results_text.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kConflictsShownMax = 10;

std::string_view state_word(JobChangeRecord::State state) {
  switch (state) {
    case JobChangeRecord::State::kHome:
      return "home";
    case JobChangeRecord::State::kKept:
      return "kept";
    case JobChangeRecord::State::kConflict:
      return "conflict";
  }
  return "";
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

TakenRecord sum_of(std::span<const TakenRecord> taken) {
  TakenRecord out;
  for (const TakenRecord& one : taken) {
    out.files += one.files;
    out.bytes += one.bytes;
    out.beside += one.beside;
    out.conflicts_in_all += one.conflicts_in_all;
    out.conflicts.insert(out.conflicts.end(), one.conflicts.begin(), one.conflicts.end());
  }
  return out;
}

Words conflict_words(const TakenRecord& sum, uint64_t left, Take how, const std::string& job) {
  const bool one = left == 1;
  Words out;
  out.message = fmt::format(
      "{} {}: left as in the volume", one ? "1 file" : fmt::format("{} files", left),
      how == Take::kOut
          ? (one ? "was changed since it came home, or another job wrote it too"
                 : "were changed since they came home, or other jobs wrote them too")
          : (one ? "was changed in the volume meanwhile" : "were changed in the volume meanwhile"));
  size_t shown = 0;
  for (const std::string& path : sum.conflicts) {
    // Which of them went beside is not told.
    if (shown == kConflictsShownMax || left != sum.conflicts_in_all) break;
    out.message += "\n  " + printable_path(path);
    ++shown;
  }
  if (left > shown && shown > 0) out.message += fmt::format("\n  and {} more", left - shown);
  out.hint =
      how == Take::kOut
          ? fmt::format("devrun changes {}", job)
          : fmt::format("devrun apply --beside {} [PATH], or --over in place of --beside", job);
  return out;
}

}  // namespace

std::string job_change_line(const JobChangeRecord& change, const std::string& attempt) {
  const bool has_size = change.kind != 'D' && change.type == '-';
  return fmt::format(
      "{}{}{}  {:>7}  {:<8}  {}{}\n", attempt, attempt.empty() ? "" : "  ", change.kind,
      has_size ? format_size(static_cast<int64_t>(change.size_after)) : "-",
      state_word(change.state), printable_path(change.path), change.type == 'd' ? "/" : "");
}

std::string job_change_json(const JobChangeRecord& change, const AttemptKey& key) {
  return dump({{"job", key.job},
               {"task", key.task == kNoTask ? Json() : Json(key.task)},
               {"rank", key.rank},
               {"attempt", key.attempt},
               {"path", change.path},
               {"kind", std::string(1, change.kind)},
               {"state", state_word(change.state)},
               {"type", std::string(1, change.type)},
               {"size_before", change.size_before},
               {"size_after", change.size_after}});
}

uint64_t left_in_the_way(std::span<const TakenRecord> taken, Take how) {
  const TakenRecord sum = sum_of(taken);
  if (how != Take::kBeside) return sum.conflicts_in_all;
  return sum.conflicts_in_all - std::min(sum.beside, sum.conflicts_in_all);
}

std::vector<Words> taken_words(std::span<const TakenRecord> taken, Take how,
                               const std::string& job) {
  const TakenRecord sum = sum_of(taken);
  std::vector<Words> out;
  if (how == Take::kOut && sum.files > 0) {
    out.push_back({fmt::format("{} file{} of job {} {} out of the volume again", sum.files,
                               sum.files == 1 ? "" : "s", job, sum.files == 1 ? "is" : "are"),
                   {}});
  } else if (sum.files > 0) {
    out.push_back(
        {fmt::format(
             "{} of job {} {} in the volume{}", files_and_size(sum.files, sum.bytes), job,
             sum.files == 1 ? "is" : "are",
             sum.beside == 0 ? "" : fmt::format(", {} of these as NAME.devrun-JOB", sum.beside)),
         fmt::format("devrun undo {}, to take {} out again", job, sum.files == 1 ? "it" : "them")});
  }
  const uint64_t left = left_in_the_way(taken, how);
  if (left > 0) out.push_back(conflict_words(sum, left, how, job));
  if (out.empty()) {
    out.push_back({how == Take::kOut ? fmt::format("nothing of job {} is in the volume", job)
                                     : fmt::format("nothing of job {} is left to take", job),
                   fmt::format("devrun changes {}", job)});
  }
  return out;
}

std::string taken_json(std::span<const TakenRecord> taken) {
  Json sets = Json::array();
  for (const TakenRecord& one : taken) {
    sets.push_back({{"attempt", to_string(one.key)},
                    {"files", one.files},
                    {"bytes", one.bytes},
                    {"beside", one.beside},
                    {"conflicts", one.conflicts_in_all},
                    {"conflicting", one.conflicts}});
  }
  return dump({{"change_sets", std::move(sets)}});
}

}  // namespace devrun::cli
