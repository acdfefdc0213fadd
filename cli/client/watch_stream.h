// One Watch call: jobs and nodes as they are, then what changes; with it, what they use. One thread reads; cancel() from any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/output/records.h"
#include "common/base/result.h"
#include "common/model/sample.h"

namespace devrun::cli {

// As WatchRequest in monitor.proto says.
struct WatchWish {
  bool all = false;        // other users' jobs too, for administrators
  bool loads = false;      // what they use
  std::string epoch = {};  // of the news that were read last: only what is newer is wanted
  uint64_t sequence = 0;
};

struct WatchNews {
  bool whole =
      false;  // what was known before is to be forgotten; else first what is gone, then the rows
  std::string epoch = {};
  uint64_t sequence = 0;
  std::vector<JobId> gone = {};
  std::vector<std::string> gone_nodes = {};
  std::vector<JobRecord> jobs = {};
  std::vector<NodeRecord> nodes = {};
  std::vector<NodeSample> loads = {};
  Time now = {};  // the controller's clock
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
