// Processes by pid and start time, so that a pid that the kernel has given to someone else is never
// taken for the one that was meant; and the files that name daemons so. Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun {

struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // since boot, field 22 of /proc/PID/stat
  bool operator==(const ProcessId&) const = default;
};

// Start time out of the text of /proc/PID/stat; nothing if it cannot be read or the process is dead
// (a zombie).
std::optional<uint64_t> parse_stat(std::string_view stat);

std::optional<ProcessId> identify(pid_t pid);
bool is_alive(const ProcessId& process);

Status write_pid_file(const std::string& path, const ProcessId& process);
// Nothing if there is no such file, or nothing sensible in it.
std::optional<ProcessId> read_pid_file(const std::string& path);

}  // namespace devrun
