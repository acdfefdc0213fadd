#include "agent/keeper/program.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/base/log.h"
#include "common/runtime/child.h"
#include "common/runtime/process_id.h"

namespace devrun::keeper {

namespace {

constexpr int kStatusNoTakeover = 4;  // agent/volume/main.cc

std::string name_of(const wire::KeeperRun& what) {
  return std::filesystem::path(what.words.front()).filename().string();
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  return fmt::format("status {}", WEXITSTATUS(status));
}

bool is_readable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  return ::poll(&polled, 1, 0) > 0;
}

}  // namespace

Program::~Program() {
  if (process_) ::syscall(SYS_pidfd_send_signal, process_.get(), SIGTERM, nullptr, 0);
}

void Program::run(wire::KeeperRun what, Clock::time_point now) {
  what_ = std::move(what);
  given_up_.clear();
  short_lives_ = 0;
  if (!process_) start(now);
}

wire::KeeperSeen Program::seen() const {
  return {process_ ? static_cast<uint32_t>(pid_) : 0, starts_, given_up_};
}

int Program::wait_ms(Clock::time_point now) const {
  if (!due_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due_ - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, kLongestDelay.count()));
}

void Program::advance(Clock::time_point now) {
  if (process_ && is_readable(process_.get())) on_end(now);
  if (due_ && now >= *due_) start(now);
}

void Program::start(Clock::time_point now) {
  due_.reset();
  ++starts_;
  started_ = now;
  DaemonOptions options;
  options.argv = what_.words;
  options.log_path = what_.log;
  const Result<pid_t> pid = start_daemon(options);
  if (!pid) {
    given_up_ = fmt::format("{} cannot be started: {}", name_of(what_), pid.error().message);
    log::error("{}", given_up_);
    return;
  }
  pid_ = *pid;
  process_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  const std::optional<ProcessId> process = identify(pid_);
  if (!process || what_.pid_file.empty()) return;
  const Status written = write_pid_file(what_.pid_file, *process);
  if (!written) log::warning("{}", written.error().message);
}

void Program::on_end(Clock::time_point now) {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  process_.reset();
  const std::string ended = fmt::format("{} has ended ({})", name_of(what_), describe(status));
  if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kStatusNoTakeover)) {
    given_up_ =
        fmt::format("{}{}: see {}", ended,
                    WEXITSTATUS(status) == 0 ? "" : " and cannot be started again", what_.log);
    log::info("{}", given_up_);
    return;
  }
  short_lives_ = now - started_ < kShortLife ? short_lives_ + 1 : 0;
  if (short_lives_ > kShortLivesMax) {
    given_up_ = fmt::format("{} and was started again {} times to no avail: see {}", ended,
                            short_lives_, what_.log);
    log::error("{}", given_up_);
    return;
  }
  auto delay = std::chrono::milliseconds{0};
  if (short_lives_ > 1) {
    delay = std::min(kLongestDelay, kFirstDelay * (1 << std::min(short_lives_ - 2, 10u)));
  }
  log::warning("{}: it is started again in {} ms", ended, delay.count());
  due_ = now + delay;
}

}  // namespace devrun::keeper
