// One Watch call: jobs and nodes as they are, then what changes. One thread reads; cancel() from any.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cli/output/records.h"
#include "common/base/result.h"

namespace devrun::cli {

struct WatchNews {
  bool whole = false;  // what is not named does not exist
  std::vector<JobRecord> jobs;
  std::vector<NodeRecord> nodes;
  Time now;  // the controller's clock
};

class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // Nothing when the call is over: `finish` then says why.
  virtual std::optional<WatchNews> read() = 0;
  virtual Status finish() = 0;
  virtual void cancel() = 0;
};

}  // namespace devrun::cli
