#include "agent/shim/process_file.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>

#include "common/runtime/file.h"

namespace devrun::shim {

namespace {

struct Identity {
  uint64_t start_ticks = 0;  // 0: there is no such process
  bool ended = false;        // a zombie
};

// Fields 3 and 22 of /proc/PID/stat.
Identity identity_of(pid_t pid) {
  const Result<std::string> text = read_file(fmt::format("/proc/{}/stat", pid));
  if (!text) return {};
  const size_t name_end = text->rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos || name_end + 2 >= text->size()) return {};
  const char state = (*text)[name_end + 2];
  size_t at = name_end + 2;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = text->find(' ', at + 1);
  if (at == std::string::npos) return {};
  return {std::strtoull(text->c_str() + at, nullptr, 10), state == 'Z' || state == 'X'};
}

}  // namespace

Status write_process_file(const std::string& path, pid_t pid) {
  return write_file_atomically(path, fmt::format("{} {}\n", pid, identity_of(pid).start_ticks),
                               0640);
}

Result<std::optional<LiveProcess>> find_process(const std::string& path) {
  Result<std::string> text = read_file(path, 4096);
  if (!text && text.error().code == Code::kNotFound) return std::optional<LiveProcess>{};
  if (!text) return std::move(text).error();
  char* end = nullptr;
  const auto pid = static_cast<pid_t>(std::strtol(text->c_str(), &end, 10));
  const uint64_t ticks = std::strtoull(end, nullptr, 10);
  if (pid <= 0 || ticks == 0) return std::optional<LiveProcess>{};
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // The descriptor first, so that the process that is looked at is the one that it names.
  const Identity now = identity_of(pid);
  if (!pidfd || now.start_ticks != ticks) return std::optional<LiveProcess>{};
  if (now.ended) {
    ::waitpid(pid, nullptr, WNOHANG);  // ours, if it was
    return std::optional<LiveProcess>{};
  }
  return std::optional<LiveProcess>(LiveProcess{pid, std::move(pidfd)});
}

Status end_process(const LiveProcess& process, Duration patience) {
  ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), SIGKILL, nullptr, 0);
  pollfd wanted{process.pidfd.get(), POLLIN, 0};
  int n = 0;
  do {
    n = ::poll(&wanted, 1, static_cast<int>(patience.us / 1000));
  } while (n < 0 && errno == EINTR);
  if (n == 0) {
    return Error{Code::kTimeout, fmt::format("process {} does not end", process.pid), {}};
  }
  ::waitpid(process.pid, nullptr, WNOHANG);
  return ok();
}

}  // namespace devrun::shim
