// What `devrun` says on stderr when a job has ended, and the status it exits with (the contract's
// "Exit status").
#pragma once

#include <optional>
#include <string>

#include "common/model/ids.h"
#include "common/model/job.h"

namespace devrun::cli {

inline constexpr int kStatusUsage = 2;
inline constexpr int kStatusTimeLimit = 124;
inline constexpr int kStatusDevrun = 125;
inline constexpr int kStatusIncomplete = 123;  // it succeeded, but not all of its results came
inline constexpr int kStatusNotFound = 127;
inline constexpr int kStatusCancelled = 130;
inline constexpr int kStatusBrokenPipe = 141;  // 128 + SIGPIPE

struct Words {
  std::string message;
  std::string hint;
};

int exit_status(JobState state, const Ending& ending);

// Nothing for a program that simply exited.
std::optional<Words> ending_words(const TaskKey& task, JobState state, const Ending& ending);

// Of output that is as short as it will be by so many bytes of its log.
std::string missing_output_words(uint64_t bytes);

}  // namespace devrun::cli
