#include "common/runtime/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>

#include "common/runtime/fd.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"

namespace devrun {

namespace {

constexpr size_t kOutputKeptBytes = 64 << 10;

std::vector<char*> to_argv(const std::vector<std::string>& argv) {
  std::vector<char*> out;
  for (const std::string& word : argv) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: only async-signal-safe calls. Tells the parent an exec failure through
// `report`.
[[noreturn]] void exec_or_report(char* const* argv, int report) {
  ::execvp(argv[0], argv);
  const int saved = errno;
  [[maybe_unused]] const ssize_t n = ::write(report, &saved, sizeof saved);
  ::_exit(127);
}

int status_of(int wait_status) {
  if (WIFSIGNALED(wait_status)) return 128 + WTERMSIG(wait_status);
  return WEXITSTATUS(wait_status);
}

// None of ours may run in a child that still has our memory.
void forget_handlers() {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    if ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL) continue;
    signal(number, SIG_DFL);
  }
}

// A child that calls `child`, which ends in exec or _exit, allocates nothing and changes nothing of ours. To copy a large
// process costs a millisecond: its page tables, then a fault for each page that either side writes. So it borrows our
// memory, and this thread alone stands still until it has let go of it. Returns as fork does.
template <typename Child>
[[gnu::noinline]] pid_t fork_to_exec(const Child& child) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) {
    forget_handlers();
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    child();
    ::_exit(127);
  }
  const int failed = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = failed;
  return pid;
}

// The errno of a failed exec, or 0 once the exec closed the pipe.
int exec_errno(int report) {
  int saved = 0;
  ssize_t n = 0;
  do {
    n = ::read(report, &saved, sizeof saved);
  } while (n < 0 && errno == EINTR);
  return n == sizeof saved ? saved : 0;
}

void emit_lines(std::string& pending, const std::function<void(std::string_view)>& line) {
  size_t start = 0;
  for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', start)) {
    if (line) line(std::string_view(pending).substr(start, end - start));
    start = end + 1;
  }
  pending.erase(0, start);
  if (pending.size() > kOutputKeptBytes) pending.clear();
}

}  // namespace

namespace {

constexpr int kStopLookMs = 100;

// Between fork and exec.
void become_child(const ChildOptions& options, int output) {
  if (options.stop != nullptr) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  const int input = options.input >= 0 ? options.input : ::open("/dev/null", O_RDONLY);
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
}

// Until the output ends, which it does when the last process that holds it has ended.
void collect_output(int fd, pid_t pid, const ChildOptions& options, std::string& out) {
  std::string pending;
  char buffer[16 << 10];
  for (bool stopped = false;;) {
    pollfd poll{fd, POLLIN, 0};
    if (options.stop != nullptr && !stopped && ::poll(&poll, 1, kStopLookMs) == 0) {
      stopped = *options.stop;
      if (stopped) ::kill(-pid, SIGKILL);
      continue;
    }
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > 2 * kOutputKeptBytes) out.erase(0, out.size() - kOutputKeptBytes);
    pending.append(buffer, static_cast<size_t>(n));
    emit_lines(pending, options.line);
  }
  if (options.line && !pending.empty()) options.line(pending);
}

}  // namespace

Result<ChildResult> run_child_with(const std::vector<std::string>& argv,
                                   const ChildOptions& options) {
  Pipe output = TRY(make_pipe());
  Pipe report = TRY(make_pipe());
  std::vector<char*> words = to_argv(argv);
  const pid_t pid = fork_to_exec([&] {
    become_child(options, output.write.get());
    exec_or_report(words.data(), report.write.get());
  });
  if (pid < 0) return errno_error("fork", errno);
  // Here too, or a stop that comes at once would find no group.
  if (options.stop != nullptr) ::setpgid(pid, pid);
  output.write.reset();
  report.write.reset();
  ChildResult result;
  collect_output(output.read.get(), pid, options, result.out);
  int wait_status = 0;
  while (::waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  if (const int failed = exec_errno(report.read.get()); failed != 0) {
    Error error = errno_error(fmt::format("run {}", argv.front()), failed);
    error.hint = options.hint;
    return error;
  }
  result.exit_status = status_of(wait_status);
  if (options.stop != nullptr && *options.stop) return Error{Code::kCancelled, "interrupted", {}};
  return result;
}

Result<ChildResult> run_child_lines(const std::vector<std::string>& argv,
                                    const std::function<void(std::string_view)>& line,
                                    std::string_view hint) {
  return run_child_with(argv, {.line = line, .hint = hint});
}

Result<ChildResult> run_child(const std::vector<std::string>& argv, std::string_view hint) {
  return run_child_with(argv, {.hint = hint});
}

namespace {

// What it says of itself, since others of its words may follow or stand around that (`cp -v` names each file).
std::string_view complaint(std::string_view program, std::string_view out) {
  while (!out.empty() && out.back() == '\n') out.remove_suffix(1);
  std::string_view last;
  for (std::string_view rest = out; !rest.empty();) {
    const size_t end = rest.rfind('\n');
    const std::string_view line = end == std::string_view::npos ? rest : rest.substr(end + 1);
    if (last.empty()) last = line;
    if (line.starts_with(program) && line.substr(program.size()).starts_with(": ")) return line;
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(0, end);
  }
  return last;
}

}  // namespace

Status run_checked_with(const std::vector<std::string>& argv, const ChildOptions& options) {
  ChildResult result = TRY(run_child_with(argv, options));
  if (result.exit_status == 0) return ok();
  return Error{Code::kIo,
               fmt::format("{} failed with status {}: {}", argv.front(), result.exit_status,
                           complaint(argv.front(), result.out)),
               std::string(options.hint)};
}

Status run_checked(const std::vector<std::string>& argv, std::string_view hint) {
  return run_checked_with(argv, {.hint = hint});
}

namespace {

[[noreturn]] void become_daemon(const DaemonOptions& options, char* const* words, int log,
                                int report) {
  ::setsid();
  if (options.enter_mount_namespace >= 0 &&
      ::setns(options.enter_mount_namespace, CLONE_NEWNS) != 0) {
    const int saved = errno;
    [[maybe_unused]] const ssize_t n = ::write(report, &saved, sizeof saved);
    ::_exit(127);
  }
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  for (const auto& [ours, number] : options.pass_fds) ::dup2(ours, number);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  exec_or_report(words, report);
}

}  // namespace

Result<pid_t> start_daemon(const DaemonOptions& options) {
  const UniqueFd log = TRY(open_file(options.log_path, O_WRONLY | O_CREAT | O_APPEND, 0640));
  Pipe report = TRY(make_pipe());
  std::vector<char*> words = to_argv(options.argv);
  const pid_t pid =
      fork_to_exec([&] { become_daemon(options, words.data(), log.get(), report.write.get()); });
  if (pid < 0) return errno_error("fork", errno);
  report.write.reset();
  if (const int failed = exec_errno(report.read.get()); failed != 0) {
    ::waitpid(pid, nullptr, 0);
    return errno_error(fmt::format("start {}", options.argv.front()), failed);
  }
  return pid;
}

}  // namespace devrun
