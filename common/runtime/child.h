// Running other programs: crun, btrfs, debootstrap, our own daemons. No shell is ever involved.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun {

struct ChildResult {
  int exit_status = 0;  // as a shell tells it: 128+N if signal N ended it
  std::string out;      // stdout and stderr together, the last 64 KiB
};

// Runs to the end. A program that is not there is kNotFound, with the package as hint where `hint`
// names it.
Result<ChildResult> run_child(const std::vector<std::string>& argv, std::string_view hint = {});

// As run_child, calling `line` for each line of output as it comes (progress of debootstrap, say).
Result<ChildResult> run_child_lines(const std::vector<std::string>& argv,
                                    const std::function<void(std::string_view)>& line,
                                    std::string_view hint = {});

struct ChildOptions {
  std::function<void(std::string_view)> line = {};  // as in run_child_lines
  std::string_view hint = {};
  int input = -1;                           // stdin; -1: /dev/null
  const std::atomic<bool>* stop = nullptr;  // looked at ten times a second
};

// As run_child. Once `stop` is true, the program and all that it started and that stayed in its
// process group are killed, and the result is kCancelled; they also die with the calling thread.
Result<ChildResult> run_child_with(const std::vector<std::string>& argv,
                                   const ChildOptions& options);

// The same for programs of which only success matters.
Status run_checked_with(const std::vector<std::string>& argv, const ChildOptions& options);

// run_child, with a status other than 0 as an Error that carries the last line of its output.
Status run_checked(const std::vector<std::string>& argv, std::string_view hint = {});

struct DaemonOptions {
  std::vector<std::string> argv;
  std::string log_path;                       // stdout and stderr are appended there
  int enter_mount_namespace = -1;             // a descriptor of the namespace, or -1
  std::vector<std::pair<int, int>> pass_fds;  // {ours, number in the child}
};

// Starts a daemon in a session of its own with stdin from /dev/null, and returns its pid. It is our
// child, but nobody waits for it: callers exit before it, or set SIGCHLD to SIG_IGN.
Result<pid_t> start_daemon(const DaemonOptions& options);

}  // namespace devrun
