#include "cli/cluster/daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

constexpr Duration kReadyLimit = seconds(15);
constexpr Duration kEndGrace = seconds(3);
constexpr Duration kKillLimit = seconds(3);
constexpr size_t kLogLinesShown = 3;

std::vector<ProcessId> find_instances(const Daemon& daemon) {
  std::vector<ProcessId> out;
  const std::string program = std::filesystem::path(daemon.words.front()).filename().string();
  for (const pid_t pid : all_pids()) {
    const std::optional<ProcessId> process = identify(pid);
    if (!process || program_name(pid) != program) continue;
    const std::vector<std::string> words = command_line(pid);
    // A word of its own, so that a child that it forked and that has not become another program yet is the only one
    // to be mistaken for it.
    if (std::find(words.begin(), words.end(), daemon.key) != words.end()) out.push_back(*process);
  }
  return out;
}

bool is_as_it_should(pid_t pid, const Daemon& daemon) {
  const std::vector<std::string> words = command_line(pid);
  if (!std::equal(words.begin() + (words.empty() ? 0 : 1), words.end(), daemon.words.begin() + 1,
                  daemon.words.end())) {
    return false;
  }
  return daemon.ours ? runs_file(pid, daemon.words.front())
                     : !words.empty() && words.front() == daemon.words.front();
}

}  // namespace

std::string end_of_log(const std::string& path) {
  const Result<std::string> text = read_file(path);
  if (!text) return {};
  size_t at = text->size();
  for (size_t lines = 0; at > 0 && lines <= kLogLinesShown; ++lines) {
    const size_t before = text->rfind('\n', at - 1);
    if (before == std::string::npos) {
      at = 0;
    } else if (lines == kLogLinesShown) {
      at = before + 1;
    } else {
      at = before;
    }
  }
  std::string out = text->substr(at);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_running(const Layout& layout, const std::string& name) {
  const auto process = read_pid_file(layout.pid_file(name));
  return process && is_alive(*process);
}

bool runs_as_it_should(const Layout& layout, const Daemon& daemon) {
  const auto process = read_pid_file(layout.pid_file(daemon.name));
  return process && is_alive(*process) && is_as_it_should(process->pid, daemon);
}

Status adopt_running(const Layout& layout, const std::vector<Daemon>& daemons) {
  for (const Daemon& daemon : daemons) {
    if (is_running(layout, daemon.name)) continue;
    const std::vector<ProcessId> found = find_instances(daemon);
    if (found.size() == 1) TRY(write_pid_file(layout.pid_file(daemon.name), found.front()));
  }
  return ok();
}

Status ensure_started(const Layout& layout, const Daemon& daemon) {
  const std::string pid_file = layout.pid_file(daemon.name);
  std::vector<ProcessId> running;
  if (const auto process = read_pid_file(pid_file); process && is_alive(*process)) {
    running.push_back(*process);
  } else {
    running = find_instances(daemon);
  }
  if (running.size() == 1) {
    if (!daemon.replaceable || is_as_it_should(running.front().pid, daemon))
      return write_pid_file(pid_file, running.front());
  }
  if (!end_processes(running, kEndGrace, kKillLimit).empty()) {
    return Error{Code::kIo,
                 fmt::format("{} (pid {}) cannot be ended", daemon.name, running.front().pid),
                 "devrun down"};
  }
  DaemonOptions options;
  options.argv = daemon.words;
  if (!daemon.environment.empty()) {
    std::vector<std::string> wrapper = {"env"};
    wrapper.insert(wrapper.end(), daemon.environment.begin(), daemon.environment.end());
    options.argv.insert(options.argv.begin(), wrapper.begin(), wrapper.end());
  }
  options.log_path = layout.log_file(daemon.name);
  options.enter_mount_namespace = daemon.mount_namespace;
  const pid_t pid = TRY(start_daemon(options));
  const std::optional<ProcessId> process = identify(pid);
  if (!process) {
    return Error{Code::kIo,
                 fmt::format("{} ended as soon as it started: {}", daemon.name,
                             end_of_log(options.log_path)),
                 "devrun doctor"};
  }
  return write_pid_file(pid_file, *process);
}

Status ensure_ended(const Layout& layout, const std::string& name) {
  const auto process = read_pid_file(layout.pid_file(name));
  if (!process || end_processes({*process}, kEndGrace, kKillLimit).empty()) return ok();
  return Error{Code::kIo, fmt::format("{} (pid {}) cannot be ended", name, process->pid),
               "devrun down"};
}

Status await_ready(const Layout& layout, const Daemon& daemon) {
  bool gone = false;
  const bool ready = wait_until(kReadyLimit, [&] {
    if (daemon.ready && daemon.ready()) return true;
    gone = !is_running(layout, daemon.name);
    return gone;
  });
  if (ready && !gone) return ok();
  return Error{
      Code::kUnavailable,
      fmt::format("{} {}: {}", daemon.name, gone ? "ended at its start" : "does not answer",
                  end_of_log(layout.log_file(daemon.name))),
      fmt::format("cat {}", layout.log_file(daemon.name))};
}

}  // namespace devrun::cluster
