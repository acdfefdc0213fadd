// What administrators call to keep a cluster (proto/devrun/v1/operations.proto). Blocking.
#pragma once

#include <string>

#include "cli/client/target.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::cli {

struct TakenBackup {
  std::string folder;  // on the controller's machine
  Time taken;
  uint64_t next_job = 0;
  uint64_t volumes = 0;
};
Result<TakenBackup> take_backup(const Target& controller);

}  // namespace devrun::cli
