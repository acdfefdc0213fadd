// Processes that outlive the command that started them, known by pid and start time, so that a pid
// that the kernel has given to someone else is never taken for ours, nor signalled.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/process_id.h"

namespace devrun::cluster {

// Its words, as in /proc/PID/cmdline; empty if it has gone.
std::vector<std::string> command_line(pid_t pid);
// Last component of its program's path; empty for kernel threads and the dead.
std::string program_name(pid_t pid);

// Whether it runs the very file that lies at `path` now: not one that was there before a build or an installation put
// another in its place, nor a copy elsewhere.
bool runs_file(pid_t pid, const std::string& path);

// All pids there are now.
std::vector<pid_t> all_pids();

// Sends TERM to all, waits up to `grace` for their ends, then KILL and waits up to `after_kill`.
// Returns those that still live (stuck in the kernel).
std::vector<ProcessId> end_processes(const std::vector<ProcessId>& processes, Duration grace,
                                     Duration after_kill);
// Waits up to `limit` for their ends, signalling nothing; returns those that live on.
std::vector<ProcessId> await_ends(const std::vector<ProcessId>& processes, Duration limit);

// Calls `condition` every few milliseconds until it holds; false when `limit` is over.
bool wait_until(Duration limit, const std::function<bool()>& condition);

}  // namespace devrun::cluster
