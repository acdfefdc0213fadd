#include "cli/output/results_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/output/console.h"
#include "cli/output/job_text.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr size_t kNotableShownMax = 5;
constexpr size_t kConflictsInHintMax = 3;

// How a user names these ranks' part of the job: the newest attempt is meant without a number.
std::string job_word(const AttemptKey& key, bool is_one_of_several) {
  const std::string task = to_string(key.task_key());
  return is_one_of_several ? fmt::format("{}.{}", task, key.rank) : task;
}

bool has_failed(const RankWrote& rank) {
  return rank.wrote.home && !rank.wrote.home->failure.empty();
}

void add_files(std::string& text, const std::vector<WrittenFile>& files, uint64_t in_all) {
  size_t shown = 0;
  for (const WrittenFile& file : files) {
    if (shown == kNotableShownMax) break;
    text += "\n" + file_line(file);
    ++shown;
  }
  if (in_all > shown && shown > 0) text += fmt::format("\n  and {} more", in_all - shown);
}

// The longest folder that has both.
std::string common_folder(const std::string& a, const std::string& b) {
  std::string out = a;
  while (out != b && !b.starts_with(out == "/" ? out : out + "/")) {
    const size_t slash = out.rfind('/');
    if (slash == 0 || slash == std::string::npos) return "/";
    out.resize(slash);
  }
  return out;
}

// All ranks' as if one had written them.
HomeSummary sum_of(std::span<const RankWrote> ranks) {
  HomeSummary out;
  for (const RankWrote& rank : ranks) {
    if (!rank.wrote.home) continue;
    const HomeSummary& one = *rank.wrote.home;
    if (one.files > 0) {
      out.folder = out.files == 0 ? one.folder : common_folder(out.folder, one.folder);
    }
    out.files += one.files;
    out.bytes += one.bytes;
    out.kept += one.kept;
    out.kept_bytes += one.kept_bytes;
    out.notable.insert(out.notable.end(), one.notable.begin(), one.notable.end());
  }
  return out;
}

// `is_one_of_several`: ranks or tasks, of which another may have been first as well as the user.
Words conflict_words(const HomeSummary& home, const std::string& job, const std::string& prefix,
                     bool is_one_of_several) {
  const bool one = home.conflicts == 1;
  const std::string files = one ? "1 file was" : fmt::format("{} files were", home.conflicts);
  Words out;
  if (is_one_of_several) {
    out.message = fmt::format(
        "{}{} changed in the volume meanwhile, by you or another rank or task: that stays there; "
        "this one's stay{} in its change set",
        prefix, files, one ? "s" : "");
  } else {
    out.message = fmt::format(
        "{}{} changed in the volume meanwhile: {}; the job's stay{} in its change set", prefix,
        files, one ? "yours is as you left it" : "yours are as you left them", one ? "s" : "");
  }
  add_files(out.message, home.conflicting, home.conflicts);
  if (home.conflicting.empty() || home.conflicts > kConflictsInHintMax) {
    out.hint = fmt::format("devrun changes {}; devrun apply --beside {} PATH", job, job);
    return out;
  }
  std::vector<std::string> words{"devrun", "apply", "--beside", job};
  for (const WrittenFile& file : home.conflicting) words.push_back(file.path);
  out.hint = command_line(words) + ", or --over in place of --beside";
  return out;
}

Words failure_words(const RankWrote& rank, const std::string& job, const std::string& prefix) {
  const HomeSummary& home = *rank.wrote.home;
  const std::string retry = "devrun apply " + job;
  const bool only_again = home.hint.empty() || home.hint.starts_with("devrun apply ");
  return {
      fmt::format("{}what it wrote is not (wholly) in the store: {}\n{}, kept on {} for 24 hours",
                  prefix, home.failure, files_and_size(rank.wrote.files, rank.wrote.bytes),
                  rank.wrote.node),
      only_again ? retry : fmt::format("{}, make room, then {}", home.hint, retry)};
}

// Of a job whose files nobody was to store.
Words left_on_node(const RankWrote& rank, const std::string& job, const std::string& prefix) {
  const WrittenSummary& wrote = rank.wrote;
  std::string text =
      fmt::format("{}{} written, kept on {} for 24 hours in {}", prefix,
                  files_and_size(wrote.files, wrote.bytes), wrote.node, wrote.folder);
  add_files(text, wrote.notable, wrote.files);
  return {std::move(text), "devrun show " + job};
}

}  // namespace

std::vector<RankWrote> newest_wrote(const JobRecord& job, int32_t task) {
  std::map<std::pair<int32_t, uint32_t>, const AttemptRecord*> newest;
  for (const AttemptRecord& attempt : job.attempts) {
    if (task != kNoTask && attempt.key.task != task) continue;
    const AttemptRecord*& one = newest[{attempt.key.task, attempt.key.rank}];
    if (one == nullptr || one->key.attempt < attempt.key.attempt) one = &attempt;
  }
  std::vector<RankWrote> out;
  for (const auto& [place, attempt] : newest) {
    if (attempt->wrote) out.push_back({attempt->key, *attempt->wrote});
  }
  return out;
}

std::string files_and_size(uint64_t files, int64_t bytes) {
  return fmt::format("{} file{}, {}", files, files == 1 ? "" : "s", format_size(bytes));
}

std::string file_line(const WrittenFile& file) {
  std::string out = fmt::format("  {} {}", file.kind, printable_path(file.path));
  if (file.kind != 'D') out += fmt::format("  {}", format_size(file.size_bytes));
  return out;
}

std::string home_total(const HomeSummary& home) {
  if (home.files == 0) return {};
  const bool all_are_named = home.notable.size() == home.files;
  const bool only_removed =
      all_are_named &&
      std::ranges::all_of(home.notable, [](const WrittenFile& file) { return file.kind == 'D'; });
  if (only_removed) {
    return fmt::format("{} file{} removed in {}", home.files, home.files == 1 ? "" : "s",
                       printable_path(home.folder));
  }
  const bool is_one = home.files == 1 && all_are_named;
  return fmt::format("{} to {}", files_and_size(home.files, home.bytes),
                     printable_path(is_one ? home.notable[0].path : home.folder));
}

std::vector<Words> failures_words(std::span<const RankWrote> ranks) {
  std::vector<Words> out;
  const bool several = ranks.size() > 1;
  for (const RankWrote& rank : ranks) {
    if (!has_failed(rank)) continue;
    const std::string prefix = several ? fmt::format("rank {}: ", rank.key.rank) : "";
    out.push_back(failure_words(rank, job_word(rank.key, several), prefix));
  }
  return out;
}

int status_with_results(int status, std::span<const RankWrote> ranks) {
  return status == 0 && std::ranges::any_of(ranks, has_failed) ? kStatusIncomplete : status;
}

std::vector<Words> written_words(std::span<const RankWrote> ranks, Results results) {
  std::vector<Words> out;
  if (ranks.empty()) return out;
  const bool several = ranks.size() > 1;
  const HomeSummary sum = sum_of(ranks);
  if (sum.files > 0) {
    std::string text = home_total(sum);
    if (several) text += fmt::format(", from {} ranks", ranks.size());
    if (sum.files > 1) add_files(text, sum.notable, sum.files);
    out.push_back({std::move(text), {}});
  }
  for (const RankWrote& rank : ranks) {
    const std::string job = job_word(rank.key, several);
    const std::string prefix = several ? fmt::format("rank {}: ", rank.key.rank) : "";
    if (!rank.wrote.home) {
      if (rank.wrote.files == 0) continue;
      if (results == Results::kDiscard) {
        const std::string what = files_and_size(rank.wrote.files, rank.wrote.bytes);
        out.push_back({fmt::format("{}{} written, discarded as asked: gone from {} within a day",
                                   prefix, what, rank.wrote.node),
                       {}});
      } else {
        out.push_back(left_on_node(rank, job, prefix));
      }
      continue;
    }
    if (rank.wrote.home->conflicts > 0) {
      out.push_back(
          conflict_words(*rank.wrote.home, job, prefix, several || rank.key.task != kNoTask));
    }
  }
  if (sum.kept > 0) {
    const std::string job = to_string(ranks[0].key.task_key());
    out.push_back(
        {fmt::format("{}{} stay{} in the change set", files_and_size(sum.kept, sum.kept_bytes),
                     results == Results::kHome ? " outside of home" : "", sum.kept == 1 ? "s" : ""),
         "devrun changes " + job});
  }
  for (Words& failure : failures_words(ranks)) out.push_back(std::move(failure));
  return out;
}

}  // namespace devrun::cli
