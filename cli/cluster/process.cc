#include "cli/cluster/process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "common/base/parse_number.h"
#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(3);

// The C library's header for these lacks its extern "C" in Debian 12.
int pidfd_open(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}
void pidfd_signal(int fd, int signal) {
  ::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0);
}

// A descriptor that stands for exactly this process, or none if it has gone.
UniqueFd open_process(const ProcessId& process) {
  UniqueFd fd(pidfd_open(process.pid));
  // The pid may have been another's when it was opened; it cannot become another's for this
  // descriptor.
  if (fd && !is_alive(process)) fd.reset();
  return fd;
}

struct Open {
  ProcessId process;
  UniqueFd fd;
};

std::vector<Open> open_all(const std::vector<ProcessId>& processes) {
  std::vector<Open> out;
  for (const ProcessId& process : processes) {
    UniqueFd fd = open_process(process);
    if (fd) out.push_back({process, std::move(fd)});
  }
  return out;
}

void send(const std::vector<Open>& processes, int signal) {
  for (const Open& open : processes) pidfd_signal(open.fd.get(), signal);
}

// Drops from the list those that end within `limit`.
void drop_ended(std::vector<Open>& processes, Duration limit) {
  const auto deadline = Clock::now() + std::chrono::microseconds(limit.us);
  while (!processes.empty()) {
    std::vector<pollfd> polls;
    for (const Open& open : processes) polls.push_back({open.fd.get(), POLLIN, 0});
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    const int ready = ::poll(polls.data(), polls.size(), static_cast<int>(left > 0 ? left : 0));
    if (ready < 0 && errno == EINTR) continue;
    std::vector<Open> rest;
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents == 0) rest.push_back(std::move(processes[i]));
    }
    processes = std::move(rest);
    if (ready <= 0) return;
  }
}

std::vector<ProcessId> ids_of(const std::vector<Open>& processes) {
  std::vector<ProcessId> out;
  for (const Open& open : processes) out.push_back(open.process);
  return out;
}

}  // namespace

std::vector<std::string> command_line(pid_t pid) {
  std::vector<std::string> out;
  const Result<std::string> text = read_file(fmt::format("/proc/{}/cmdline", pid));
  if (!text) return out;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\0');
    out.emplace_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return out;
}

std::string program_name(pid_t pid) {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), failed);
  if (failed) return {};
  std::string name = path.filename().string();
  constexpr std::string_view kDeleted = " (deleted)";  // rebuilt since it was started
  if (name.ends_with(kDeleted)) name.resize(name.size() - kDeleted.size());
  return name;
}

bool runs_file(pid_t pid, const std::string& path) {
  struct stat running {};
  struct stat there {};
  // The link of /proc leads to the file itself, also where its name has gone.
  return ::stat(fmt::format("/proc/{}/exe", pid).c_str(), &running) == 0 &&
         ::stat(path.c_str(), &there) == 0 && running.st_dev == there.st_dev &&
         running.st_ino == there.st_ino;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failed)) {
    const std::optional<pid_t> pid = parse_number<pid_t>(entry.path().filename().string());
    if (pid) out.push_back(*pid);
  }
  return out;
}

std::vector<ProcessId> end_processes(const std::vector<ProcessId>& processes, Duration grace,
                                     Duration after_kill) {
  std::vector<Open> open = open_all(processes);
  send(open, SIGTERM);
  drop_ended(open, grace);
  send(open, SIGKILL);
  drop_ended(open, after_kill);
  return ids_of(open);
}

std::vector<ProcessId> await_ends(const std::vector<ProcessId>& processes, Duration limit) {
  std::vector<Open> open = open_all(processes);
  drop_ended(open, limit);
  return ids_of(open);
}

bool wait_until(Duration limit, const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + std::chrono::microseconds(limit.us);
  while (!condition()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

}  // namespace devrun::cluster
