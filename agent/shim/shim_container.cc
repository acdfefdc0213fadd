// The shim and its container: go, what init says, deaths, orders. Part of shim_loop.h.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/shim/process_file.h"
#include "agent/shim/shim_loop.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::shim {

void Shim::on_go() {
  if (go_) {
    char byte = 0;
    const ssize_t n = ::read(go_.get(), &byte, 1);
    if (n < 0) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, go_.get(), nullptr);  // the child has it too
    go_.reset();
    if (n == 0) {
      left_without_go_ = true;
      return;
    }
  }
  state_.started = wall_clock();
  state_news_ = true;
  [[maybe_unused]] const ssize_t n = ::write(launched_.go.get(), "g", 1);
  launched_.go.reset();
}

void Shim::on_signals() {
  signalfd_siginfo info[8];
  while (::read(signals_.get(), info, sizeof info) > 0) {
  }
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == launched_.crun) {
      crun_reaped_ = true;
      on_init();  // what init said may still lie in the socket
      if (status != 0 || !launched_.control) give_up_on_start();
      continue;
    }
    // Init may die before its hello has been read, and be reaped before crun: who it was then lies in the socket.
    on_init();
    if (pid != static_cast<pid_t>(state_.container_pid)) continue;
    init_reaped_ = true;
    end_with(ending_of_status(status));  // unless init itself has told the program's
  }
}

void Shim::on_init() {
  while (launched_.control) {
    Result<InitNews> news = receive_from_init(launched_.control.get());
    if (!news) {
      if (news.error().code != Code::kUnavailable) return;
      launched_.control.reset();
      if (is_session()) {
        on_session_over();
      } else {
        give_up_on_start();
      }
      return;
    }
    switch (news->message.says) {
      case InitSays::kHello:
        state_.container_pid = static_cast<uint32_t>(news->pid);
        state_news_ = true;
        if (Status wrote = is_session()
                               ? ok()
                               : write_process_file(options_.folder + "/container.pid", news->pid);
            !wrote) {
          log::error("{}", wrote.error().message);
        }
        if (kill_wanted_) kill_container();
        if (!news->master) break;
        master_ = std::move(news->master);
        watch(master_.get(), kMaster, EPOLLIN);
        stdin_.open(UniqueFd(::fcntl(master_.get(), F_DUPFD_CLOEXEC, 0)), true);
        stdin_.flush();
        watch_stdin();
        break;
      case InitSays::kSetupDone:
        state_.setup_done = true;
        state_news_ = true;
        if (go_asked_) order_init(kOrderGo);
        break;
      case InitSays::kStarted:
        state_.setup_done = false;
        break;
      case InitSays::kFailed:
        ending_ = ending_of_failure(news->message, options_.launch.order,
                                    !state_.setup_done && !options_.launch.order.setup.empty());
        break;
      case InitSays::kStays:
        state_.stays = true;
        state_news_ = true;
        break;
      case InitSays::kEnded:
        ending_ = ending_of_status(news->message.value);
        break;
    }
    // The streams end when init does, which takes the rest of the container with it.
    if (ending_ && ended_at_ == Clock::time_point{}) ended_at_ = Clock::now();
  }
}

// "it is held by process 12 (gdb)"; the container's init lies beside its socket.
std::string why_init_is_silent(const std::string& sessions_socket) {
  const std::string folder = sessions_socket.substr(0, sessions_socket.rfind('/'));
  const Result<std::optional<LiveProcess>> init = find_process(folder + "/container.pid");
  if (!init || !*init) return "it is not there";
  const Result<std::string> status = read_file(fmt::format("/proc/{}/status", (*init)->pid));
  const auto field = [&](std::string_view name) {
    const size_t at = status ? status->find(name) : std::string::npos;
    if (at == std::string::npos) return std::string();
    const size_t begin = at + name.size();
    return status->substr(begin, status->find('\n', begin) - begin);
  };
  const std::string tracer = field("\nTracerPid:\t");
  if (!tracer.empty() && tracer != "0") {
    const Result<std::string> name = read_file(fmt::format("/proc/{}/comm", tracer));
    return fmt::format("a process of the job traces it and holds it ({})",
                       name ? name->substr(0, name->find('\n')) : "pid " + tracer);
  }
  const std::string state = field("\nState:\t");
  return state.starts_with('T') ? "it is stopped"
                                : "the container's process 1 is in state " + state;
}

// Its child would say hello to nobody, and then end (container_init.cc).
void Shim::look_for_init() {
  if (!is_session() || state_.container_pid != 0 || ending_ || !launched_.control) return;
  if (Clock::now() - asked_init_at_ < kInitPatience) return;
  launched_.control.reset();
  end_with({EndCause::kNotStarted, 125,
            "the container's init does not answer: " + why_init_is_silent(options_.launch.join),
            "end what holds it, or devrun cancel"});
}

// The init of a session is no child of ours. If it said nothing of an end, the container's has taken it along.
void Shim::on_session_over() {
  if (state_.container_pid != 0) {
    init_reaped_ = true;
    end_with({EndCause::kExited, 137, "its container has ended", {}});
  } else {
    end_with({EndCause::kNotStarted, 125, "the container has ended, or takes no more processes",
              "devrun ps"});
  }
}

// crun has failed, or init is gone without a word.
void Shim::give_up_on_start() {
  if (!crun_reaped_ || state_.container_pid != 0) return;
  end_with({EndCause::kNotStarted, 125,
            "crun could not start the container: " + crun_reason(options_.launch.log),
            "devrun doctor"});
}

void Shim::end_with(Ending ending) {
  if (ending_) return;
  ending_ = std::move(ending);
  ended_at_ = Clock::now();
}

void Shim::order_init(int32_t order) {
  if (!launched_.control) return;
  [[maybe_unused]] const ssize_t n =
      ::send(launched_.control.get(), &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Shim::kill_container() {
  kill_wanted_ = true;
  if (is_session()) return order_init(kOrderKill);
  // Neither pid can have been given to another process: only we reap them.
  if (state_.container_pid == 0 && !crun_reaped_) ::kill(launched_.crun, SIGKILL);
  if (state_.container_pid != 0 && !init_reaped_) {
    ::kill(static_cast<pid_t>(state_.container_pid), SIGKILL);
  }
}

}  // namespace devrun::shim
