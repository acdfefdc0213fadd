// What a user may have and has (proto/devrun/v1/monitor.proto, UserQuota), for the commands.
#pragma once

#include <cstdint>
#include <string>

namespace devrun::cli {

struct QuotaRecord {
  // 0: no limit.
  struct Of {
    int64_t has = 0;
    int64_t most = 0;
  };
  std::string user;
  Of store_bytes, output_bytes, gpus, cpu_milli, running, waiting;
};

}  // namespace devrun::cli
