// Where in an output log to begin (LogStart of client.proto): found by hopping from header to header, and reading
// payloads only of the last part, where lines are counted. Memory: 16 bytes for each MiB of the log, and a line's buffer.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/result.h"
#include "common/base/time.h"
#include "controller/rpc/output_log.h"

namespace devrun::controller {

struct LogStart {
  std::optional<uint64_t> lines = {};  // the last so many
  Time since = {};                     // written then or later
  bool out = true;                     // streams whose lines count
  bool err = true;
  uint64_t bytes_max = 0;  // before the end; 0: any
};

// The offset of the record; `length` if nothing is asked for. Blocking: reads the whole log's headers.
Result<uint64_t> find_log_start(OutputLog& log, uint64_t length, const LogStart& start);

}  // namespace devrun::controller
