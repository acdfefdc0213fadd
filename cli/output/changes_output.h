// Change sets, and what taking them into a volume has done, for people and as JSON. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/output/ending_text.h"
#include "cli/output/records.h"

namespace devrun::cli {

// "A   1.2 GB  home      /root/out/model.pt"; `attempt` before it, where there are several.
std::string job_change_line(const JobChangeRecord& change, const std::string& attempt);
// One line of JSON.
std::string job_change_json(const JobChangeRecord& change, const AttemptKey& key);

enum class Take { kIn, kBeside, kOver, kOut };
// What is in the way still: neither taken nor written beside it.
uint64_t left_in_the_way(std::span<const TakenRecord> taken, Take how);
// What `apply` and `undo` say in the end. `job` is as the user named it.
std::vector<Words> taken_words(std::span<const TakenRecord> taken, Take how,
                               const std::string& job);
std::string taken_json(std::span<const TakenRecord> taken);

}  // namespace devrun::cli
