// A job's place among those that wait, as the controller tells it: when it would start and why it has not.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"
#include "common/model/ids.h"

namespace devrun {

struct QueuedJob {
  JobId job = 0;  // 0: another user's
  uint64_t place = 0;
  std::string reason;
  Time expected_start;
  bool never = false;
  int32_t priority = 0;
  bool limited = false;  // by a limit of its user or pool: more nodes would not help
};

}  // namespace devrun
