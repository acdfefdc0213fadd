#include "cli/client/signals.h"

#include <sys/signalfd.h>

#include <array>
#include <cerrno>

namespace devrun::cli {

namespace {

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Result<Signals> Signals::take() {
  constexpr std::array kPassedOn{SIGINT,  SIGTERM, SIGQUIT,  SIGUSR1,
                                 SIGUSR2, SIGHUP,  SIGWINCH, SIGCONT};
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kPassedOn) {
    if (!is_ignored(signal)) sigaddset(&set, signal);
  }
  ::signal(SIGPIPE, SIG_IGN);
  Signals out;
  out.fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!out.fd_) return errno_error("signalfd", errno);
  if (::pthread_sigmask(SIG_BLOCK, &set, &out.old_mask_) != 0)
    return errno_error("pthread_sigmask", errno);
  return out;
}

std::optional<int> Signals::next() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info))
    return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

Signals::~Signals() {
  if (fd_) ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

}  // namespace devrun::cli
