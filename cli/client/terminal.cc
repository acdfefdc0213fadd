#include "cli/client/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace devrun::cli {

namespace {

// What the exit paths that run no destructor need; written before `saved_fd` is set.
termios saved_modes;
std::atomic<int> saved_fd = -1;

// Async-signal-safe.
void restore() {
  const int fd = saved_fd.exchange(-1);
  if (fd >= 0) ::tcsetattr(fd, TCSADRAIN, &saved_modes);
}

void restore_and_die(int signal) {
  restore();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void arm_exit_paths() {
  static bool armed = false;
  if (armed) return;
  armed = true;
  std::atexit(restore);
  constexpr std::array kDeadly{SIGABRT, SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                               SIGHUP,  SIGINT,  SIGTERM, SIGQUIT};
  for (const int signal : kDeadly) {
    struct sigaction old {};
    const bool default_action =
        ::sigaction(signal, nullptr, &old) == 0 && old.sa_handler == SIG_DFL;
    if (default_action) ::signal(signal, restore_and_die);
  }
}

}  // namespace

bool is_terminal(int fd) {
  return ::isatty(fd) == 1;
}

bool has_controlling_terminal() {
  const int fd = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_row, size.ws_col};
}

bool is_foreground(int fd) {
  const pid_t owner = ::tcgetpgrp(fd);
  return owner < 0 || owner == ::getpgrp();
}

std::optional<TerminalMode> RawTerminal::mode() const {
  const std::lock_guard lock(mutex_);
  return mode_;
}

Status RawTerminal::enter(TerminalMode mode) {
  const std::lock_guard lock(mutex_);
  if (mode_ == mode || mode_ == TerminalMode::kRaw) return ok();
  if (!mode_) {
    if (::tcgetattr(fd_, &saved_modes) != 0)
      return errno_error("reading the terminal's modes", errno);
    arm_exit_paths();
    saved_fd.store(fd_);
  }
  return set(mode);
}

Status RawTerminal::enter_again() {
  const std::lock_guard lock(mutex_);
  return mode_ ? set(*mode_) : ok();
}

Status RawTerminal::set(TerminalMode mode) {
  termios modes = saved_modes;
  ::cfmakeraw(&modes);
  if (mode == TerminalMode::kWaiting) {
    modes.c_oflag = saved_modes.c_oflag;
    modes.c_lflag |= saved_modes.c_lflag & ISIG;
    for (const int key : {VINTR, VQUIT, VSUSP}) {
      const bool is_plain =
          plain_keys_.find(static_cast<char>(modes.c_cc[key])) != std::string::npos;
      if (is_plain) modes.c_cc[key] = _POSIX_VDISABLE;
    }
  }
  if (::tcsetattr(fd_, TCSANOW, &modes) != 0)
    return errno_error("setting the terminal's modes", errno);
  mode_ = mode;
  return ok();
}

void RawTerminal::leave() {
  const std::lock_guard lock(mutex_);
  if (!mode_) return;
  mode_.reset();
  restore();
}

}  // namespace devrun::cli
