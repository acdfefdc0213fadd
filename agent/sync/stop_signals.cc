#include "agent/sync/stop_signals.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace devrun::agent {

namespace {

int stop_event = -1;
volatile std::sig_atomic_t told = 0;

void on_stop_signal(int) {
  const int saved = errno;
  told = 1;
  ::eventfd_write(stop_event, 1);
  errno = saved;
}

sigset_t stop_signals() {
  sigset_t out;
  sigemptyset(&out);
  sigaddset(&out, SIGTERM);
  sigaddset(&out, SIGINT);
  return out;
}

}  // namespace

Status catch_stop_signals() {
  stop_event = ::eventfd(0, EFD_CLOEXEC);
  if (stop_event < 0) return errno_error("eventfd", errno);
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  const sigset_t awaited = stop_signals();
  ::sigprocmask(SIG_UNBLOCK, &awaited, nullptr);
  return ok();
}

void wait_for_stop_signal() {
  eventfd_t value = 0;
  while (::eventfd_read(stop_event, &value) != 0) {
  }
}

void wake() {
  ::eventfd_write(stop_event, 1);
}

bool told_to_stop() {
  return told != 0;
}

bool may_begin_anew() {
  const sigset_t awaited = stop_signals();
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
  return told == 0;
}

}  // namespace devrun::agent
