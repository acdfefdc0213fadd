// How far an array is, in numbers and in words; the same words in lists, in `show` and in the monitor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/model/ids.h"

namespace devrun {

struct TaskCounts {
  uint64_t total = 0;
  uint64_t running = 0;  // placed and not ended
  uint64_t succeeded = 0;
  uint64_t failed = 0;                     // ended in any other way
  std::vector<int32_t> first_failed = {};  // by number, at most kFailedTasksNamedMax
  uint64_t ended() const { return succeeded + failed; }
  bool operator==(const TaskCounts&) const = default;
};
inline constexpr size_t kFailedTasksNamedMax = 5;

// "10: 5 ok, 1 failed (39_3), 2 running, 2 waiting"; of a job that is over, the rest was "not run".
std::string tasks_text(JobId job, const TaskCounts& counts, bool over);

}  // namespace devrun
