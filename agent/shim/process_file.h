// A process named in a file so that it can be found, and ended, by others later: its pid and its start time, so that
// another process that was given the pid meanwhile is never taken for it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"

namespace devrun::shim {

Status write_process_file(const std::string& path, pid_t pid);

struct LiveProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
};
// Nothing if there is no such file, or its process has ended (a zombie has).
Result<std::optional<LiveProcess>> find_process(const std::string& path);

// Sends KILL and waits; reaps it if it is our child. kTimeout if it does not end.
Status end_process(const LiveProcess& process, Duration patience);

}  // namespace devrun::shim
