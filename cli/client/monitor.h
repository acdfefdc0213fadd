// What the controller tells monitors beside the stream: series, the queue, who used how much. As monitor.proto says.
#pragma once

#include <string>
#include <vector>

#include "cli/client/quota_record.h"
#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/queued_job.h"
#include "common/model/sample.h"

namespace devrun::cli {

struct SeriesQuery {
  JobId job = 0;          // 0: nodes
  std::string node = {};  // that one; empty: all
  bool days = false;
  uint32_t points_max = 0;
};

struct QueueRecord {
  std::vector<QueuedJob> jobs;
  uint64_t waiting = 0;  // in all
};

struct UseOfRecord {
  std::string user;
  std::string volume;
  uint64_t jobs = 0;
  double core_hours = 0;
  double gpu_hours = 0;
  double cpu_hours_used = 0;
};
struct UseRecord {
  std::vector<UseOfRecord> uses;
  Time from;
  Time now;
  bool truncated = false;
  std::vector<QuotaRecord> quotas = {};  // by user
};

}  // namespace devrun::cli
