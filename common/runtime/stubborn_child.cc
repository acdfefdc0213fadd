#include "common/runtime/stubborn_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "common/base/units.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/pipe.h"

namespace devrun {

namespace {

constexpr Duration kDiesWithin = seconds(1);
constexpr auto kLook = std::chrono::milliseconds(10);
constexpr size_t kOutputKeptBytes = 64 << 10;

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, const StubbornChild::Options& options, int output,
                         int report) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (options.held >= 0) ::fcntl(options.held, F_SETFD, 0);  // not closed by exec
  const bool inside =
      options.root == "/" || (::chroot(options.root.c_str()) == 0 && ::chdir("/") == 0);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  signal(SIGPIPE, SIG_DFL);
  if (inside) ::execvp(argv[0], argv);
  const int failed = errno;
  [[maybe_unused]] const ssize_t n = ::write(report, &failed, sizeof failed);
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<StubbornChild>> StubbornChild::start(const std::vector<std::string>& argv,
                                                            const Options& options) {
  Pipe output = TRY(make_pipe());
  Pipe report = TRY(make_pipe());
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork", errno);
  if (pid == 0) become(words.data(), options, output.write.get(), report.write.get());
  ::setpgid(pid, pid);  // here too, or a kill that comes at once would find no group
  output.write.reset();
  report.write.reset();
  int failed = 0;
  while (::read(report.read.get(), &failed, sizeof failed) < 0 && errno == EINTR) {
  }
  if (failed != 0) {
    ::waitpid(pid, nullptr, 0);  // it has nothing left to hang in
    return errno_error(fmt::format("run {}", argv.front()), failed);
  }
  return std::unique_ptr<StubbornChild>(new StubbornChild(pid, std::move(output.read)));
}

StubbornChild::~StubbornChild() {
  if (ended()) return;
  kill();
  ended(kDiesWithin);
}

bool StubbornChild::read(Duration within, const std::function<void(std::string_view)>& line) {
  const Time until = boot_clock() + within;
  char buffer[64 << 10];
  for (;;) {
    const int64_t left_ms = std::max<int64_t>(0, (until - boot_clock()).us / 1000);
    pollfd poll{output_.get(), POLLIN, 0};
    if (::poll(&poll, 1, static_cast<int>(left_ms)) <= 0) return true;
    const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    pending_.append(buffer, static_cast<size_t>(n));
    const size_t last = pending_.rfind('\n');
    if (last == std::string::npos) {
      if (pending_.size() > kLineBytesMax) pending_.clear();
      continue;
    }
    const std::string whole = pending_.substr(0, last);
    pending_.erase(0, last + 1);
    for (size_t at = 0; at <= whole.size();) {
      const size_t end = std::min(whole.find('\n', at), whole.size());
      line(std::string_view(whole).substr(at, end - at));
      at = end + 1;
    }
    return true;
  }
  if (!pending_.empty()) line(std::exchange(pending_, {}));
  return false;
}

void StubbornChild::kill() {
  if (!status_) ::kill(-pid_, SIGKILL);
}

std::optional<int> StubbornChild::ended(Duration within) {
  const Time until = boot_clock() + within;
  while (!status_) {
    int status = 0;
    const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
    if (reaped == pid_) {
      status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    } else if (reaped < 0 && errno != EINTR) {
      status_ = 0;  // somebody else has waited for it
    } else if (boot_clock() >= until) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(kLook);
    }
  }
  return status_;
}

Result<std::string> run_within(Duration limit, const std::vector<std::string>& argv,
                               const StubbornChild::Options& options,
                               std::unique_ptr<StubbornChild>& left) {
  std::unique_ptr<StubbornChild> child = TRY(StubbornChild::start(argv, options));
  const Time until = boot_clock() + limit;
  std::string out;
  const auto keep = [&](std::string_view line) {
    if (out.size() < kOutputKeptBytes) out += fmt::format("{}\n", line);
  };
  bool goes_on = true;
  while (goes_on && boot_clock() < until) goes_on = child->read(until - boot_clock(), keep);
  if (goes_on) child->kill();
  const std::optional<int> status = child->ended(kDiesWithin);
  if (!status) left = std::move(child);
  if (goes_on || !status) {
    return Error{Code::kUnavailable,
                 fmt::format("{} did not end within {}", argv.front(), format_duration(limit)),
                 {}};
  }
  if (*status == 0) return out;
  return Error{
      Code::kIo, fmt::format("{} failed with status {}: {}", argv.front(), *status, out), {}};
}

}  // namespace devrun
