// What Slurm's commands are told and what they answer, as text. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/pilots/decide.h"
#include "cli/pilots/policy.h"
#include "common/base/result.h"

namespace devrun::pilots {

// By which Slurm's jobs are known as pilots of ours: their comment.
std::string comment_of(const Policy& policy, const std::string& kind);

// sbatch's words, without the program; the script comes by stdin. Nothing in them is a secret.
std::vector<std::string> sbatch_words(const Policy& policy, const Kind& kind,
                                      const std::string& name);
std::string batch_script(const Policy& policy, const Kind& kind, const std::string& name);
// The number of the job out of what `sbatch --parsable` has said, warnings included.
std::optional<uint64_t> parse_submitted(std::string_view said);

std::vector<std::string> squeue_words(const std::string& user);
// Pilots of ours, in whatever state; others are passed over. kCorrupt for a line that is none of squeue's.
Result<std::vector<Pilot>> parse_squeue(const Policy& policy, std::string_view said);
// "1-02:03:04", "2:03", "UNLIMITED"; nothing: no limit, or not told.
std::optional<Duration> parse_left(std::string_view text);

}  // namespace devrun::pilots
