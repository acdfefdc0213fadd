// What became of the files that a job wrote, as `devrun` says it on stderr when the job has ended:
// what is in the volume now, what was in the way, what stays in the change set, and what failed.
// Nothing is said of a job that wrote nothing.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/output/ending_text.h"
#include "cli/output/records.h"
#include "common/model/ids.h"
#include "common/model/job.h"

namespace devrun::cli {

// Of one rank.
struct RankWrote {
  AttemptKey key;
  WrittenSummary wrote;
};

// What the newest attempts of a job have written, by task and rank; of an array's task, of that one.
std::vector<RankWrote> newest_wrote(const JobRecord& job, int32_t task = kNoTask);

// Of a task's ranks together: one total, and what asks for a decision rank by rank. `results` is
// what the job was to do with them.
std::vector<Words> written_words(std::span<const RankWrote> ranks, Results results);

// `status`, or 123 if that is 0 and something of what it wrote is not in the store.
int status_with_results(int status, std::span<const RankWrote> ranks);
// What failed, alone: it is said even when nothing else is.
std::vector<Words> failures_words(std::span<const RankWrote> ranks);

// "2 files, 3.0 KB to /root/out", "1 file removed in /root"; for lists of attempts too. Empty if
// nothing came home.
std::string home_total(const HomeSummary& home);
// "  A /root/model.pt  1.2 GB"
std::string file_line(const WrittenFile& file);
// "3 files, 1.2 GB"
std::string files_and_size(uint64_t files, int64_t bytes);

}  // namespace devrun::cli
