// Names of jobs, tasks, ranks and attempts, and how people write them: job `42`, array task `42_3`,
// rank `42.1`, attempt `42#2`, all together `42_3.1#2`. The attempt number is the fence: an agent
// that hears of a higher one knows that the lower is over.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun {

using JobId = uint64_t;  // from 1; 0 is none

inline constexpr int32_t kNoTask = -1;  // the job is no array

// One array task of a job, or the whole of a job that is no array.
struct TaskKey {
  JobId job = 0;
  int32_t task = kNoTask;
  auto operator<=>(const TaskKey&) const = default;
};

// One node's share of one try of a task.
struct AttemptKey {
  JobId job = 0;
  int32_t task = kNoTask;
  uint32_t rank = 0;
  uint32_t attempt = 1;  // from 1
  auto operator<=>(const AttemptKey&) const = default;
  TaskKey task_key() const { return {job, task}; }
};

std::string to_string(const TaskKey& key);
// The rank is written only if it is not 0, the attempt only if it is not 1.
std::string to_string(const AttemptKey& key);
// All parts always: `42_-.0#1`; the name of an attempt's folder.
std::string folder_name(const AttemptKey& key);

Result<AttemptKey> parse_attempt_key(std::string_view text);
Result<AttemptKey> parse_folder_name(std::string_view text);

}  // namespace devrun
