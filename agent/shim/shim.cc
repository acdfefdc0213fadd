#include "agent/shim/shim.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <chrono>

#include "agent/shim/memory_events.h"
#include "agent/shim/shim_loop.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/model/ending.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/file.h"
#include "common/runtime/unix_socket.h"

namespace devrun::shim {

namespace {

using std::chrono::milliseconds;

constexpr auto kLookAgain = std::chrono::microseconds(100'000);  // a full disk, an end under way
constexpr auto kFullDiskPatience = std::chrono::seconds(60);     // after the program's end
constexpr auto kDrainPatience = std::chrono::seconds(5);         // likewise, for a pty's last bytes
constexpr auto kQuiet = milliseconds(90);                        // of a session's pty
constexpr auto kFarewellPatience = std::chrono::seconds(5);      // for the agent to hear of the end

// Init's own and of all that it has waited for, which is everything that ended in the container; none of a session's.
std::optional<Usage> usage_of_children() {
  constexpr int64_t kBlockBytes = 512;
  rusage used{};
  if (::getrusage(RUSAGE_CHILDREN, &used) != 0 || used.ru_maxrss == 0) return {};
  const auto microseconds = [](const timeval& time) {
    return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
  };
  return Usage{{microseconds(used.ru_utime) + microseconds(used.ru_stime)},
               int64_t{used.ru_maxrss} * 1024,
               0,
               int64_t{used.ru_inblock} * kBlockBytes,
               int64_t{used.ru_oublock} * kBlockBytes};
}

}  // namespace

Time wall_clock() {
  return {std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

void Shim::watch(int fd, Tag tag, uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = tag;
  CHECK(::epoll_ctl(epoll_.get(), operation, fd, &event) == 0);
}

Status Shim::prepare() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!signals_ || !epoll_) return errno_error("signalfd or epoll", errno);
  listener_ = TRY(listen_unix(options_.folder + "/shim.sock"));
  watch(listener_.get(), kListener, EPOLLIN);
  if (!is_session()) {
    lender_ = TRY(listen_unix(options_.folder + "/sessions.sock"));
    watch(lender_.get(), kJoin, EPOLLIN);
  }
  watch(signals_.get(), kSignals, EPOLLIN);
  return ok();
}

Status Shim::launch_container() {
  // Before the fork: what the child holds open keeps telling epoll of an end long after it is closed here.
  for (const int fd : {options_.ready_fd, options_.go_fd}) {
    if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  launched_ = TRY(launch(options_.launch));
  watch_launched();
  go_.reset(options_.go_fd);
  if (go_) {
    watch(go_.get(), kGo, EPOLLIN);
  } else {
    on_go();
  }
  return ok();
}

// A container that has just ended is an end of the session, and no failure of ours.
Status Shim::start_session() {
  crun_reaped_ = true;  // there is none
  if (const auto kills = memory_kills(options_.launch.cgroups)) memory_kills_before_ = kills->kills;
  if (options_.ready_fd >= 0) ::fcntl(options_.ready_fd, F_SETFD, FD_CLOEXEC);
  Result<Launched> launched = launch_session(options_.launch);
  if (!launched) {
    end_with({EndCause::kNotStarted, 125,
              "the job's container takes no session: " + launched.error().message, "devrun ps"});
    return ok();
  }
  launched_ = std::move(*launched);
  state_.started = wall_clock();
  asked_init_at_ = Clock::now();
  watch_launched();
  return ok();
}

void Shim::watch_launched() {
  watch(launched_.control.get(), kControl, EPOLLIN);
  if (launched_.out) watch(launched_.out.get(), kOut, EPOLLIN);
  if (launched_.err) watch(launched_.err.get(), kErr, EPOLLIN);
  if (launched_.in) {
    watch(launched_.in.get(), kIn, 0);  // an error is always told: nobody reads any more
    stdin_.open(std::move(launched_.in), false);
  } else if (!options_.launch.order.tty) {
    stdin_.close();
    closed_news_ = true;
  }
}

Status Shim::run() {
  TRY(prepare());
  TRY(is_session() ? start_session() : launch_container());
  if (options_.ready_fd >= 0) {
    TRY(write_all(options_.ready_fd, "r"));
    ::close(options_.ready_fd);
  }
  while (!finished() && !left_without_go_) {
    turn();
    if (ending_) drain_at_end();
  }
  if (left_without_go_) {
    return write_exit_record(options_.folder, {set_up_interrupted(), 0, wall_clock(), {}, {}});
  }
  finish();
  return ok();
}

int Shim::timeout_us() const {
  if (ending_ || log_.blocked() || held_back_) return static_cast<int>(kLookAgain.count());
  int most = is_session() && state_.container_pid == 0 ? kInitLookEveryUs : -1;
  if (options_.lease_until.us != 0 && !lease_expired_) {
    const int64_t left = (options_.lease_until - boot_clock()).us;
    most = static_cast<int>(std::clamp<int64_t>(left + 1, 0, kLeaseLookEveryUs));
  }
  if (agent_ && agent_greeted_ && agent_->idle() && has_growth()) {
    const auto due = told_at_ + kNewsInterval - Clock::now();
    const int due_us = std::max(
        0, static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(due).count()));
    return most < 0 ? due_us : std::min(most, due_us);
  }
  return most;
}

// It may run elsewhere from now on.
void Shim::look_at_lease() {
  if (options_.lease_until.us == 0 || lease_expired_ || ending_) return;
  if (boot_clock() < options_.lease_until) return;
  lease_expired_ = true;
  log::warning("the lease has ended: killing the container");
  kill_container();
}

void Shim::turn() {
  epoll_event events[16];
  look_at_lease();
  look_for_init();
  const int wait_us = timeout_us();
  const timespec wait{wait_us / 1'000'000, (wait_us % 1'000'000) * 1000L};
  const int n = ::epoll_pwait2(epoll_.get(), events, 16, wait_us < 0 ? nullptr : &wait, nullptr);
  for (int i = 0; i < n; ++i) handle(events[i].data.u32, events[i].events);
  if (log_.blocked()) {
    log_.retry();
    watch_streams(!log_.blocked() && !held_back_);
  } else if (held_back_) {
    hold_back();
    watch_streams(!held_back_);
  }
  tell_news();
}

void Shim::handle(uint32_t tag, uint32_t events) {
  switch (tag) {
    case kListener:
      on_accept();
      break;
    case kJoin:
      lend_control();
      break;
    case kAgent:
      on_agent(events);
      break;
    case kSignals:
      on_signals();
      break;
    case kGo:
      on_go();
      break;
    case kControl:
      on_init();
      break;
    case kOut:
      on_output(launched_.out, Stream::kStdout);
      break;
    case kErr:
      on_output(launched_.err, Stream::kStderr);
      break;
    case kMaster:
      if ((events & (EPOLLIN | EPOLLHUP)) != 0) on_output(master_, Stream::kStdout);
      if ((events & EPOLLOUT) != 0) stdin_.flush();
      watch_stdin();
      break;
    case kIn:
      if ((events & EPOLLERR) != 0) {
        stdin_.close();
        closed_news_ = true;
      } else {
        stdin_.flush();
      }
      watch_stdin();
      break;
    default:
      break;
  }
}

// Everything in the container is dead, so a pipe that is empty is at its end, whoever may hold its other end. A pty is
// read to EIO: its bytes reach the master some time after they were written.
void Shim::drain_at_end() {
  if (state_.container_pid != 0 && !init_reaped_) {
    if (Clock::now() - ended_at_ > milliseconds(200)) kill_container();
    return;
  }
  if (log_.blocked()) {
    if (Clock::now() - ended_at_ > kFullDiskPatience) {
      ending_->reason += ending_->reason.empty() ? "" : "; ";
      ending_->reason += "the end of its output was lost, since the node could not write it: " +
                         log_.why_blocked();
      log_.cut();
      launched_.out.reset();
      launched_.err.reset();
      stdin_.close();
      master_.reset();
    }
    return;
  }
  // What a session's program left running may hold its terminal open for ever.
  const bool quiet = is_session() && Clock::now() - std::max(ended_at_, last_output_at_) > kQuiet;
  if (quiet || Clock::now() - ended_at_ > kDrainPatience) {
    stdin_.close();
    master_.reset();
  }
  const auto empty = [](int fd) {
    int bytes = 0;
    return ::ioctl(fd, FIONREAD, &bytes) != 0 || bytes == 0;
  };
  if (launched_.out && empty(launched_.out.get())) launched_.out.reset();
  if (launched_.err && empty(launched_.err.get())) launched_.err.reset();
}

void Shim::finish() {
  log_.finish();
  state_.ended = wall_clock();
  // Beside a session there are others in its cgroup: unless it was killed itself, the kernel may have killed those.
  if (!is_session() || ending_->status == 128 + SIGKILL) {
    explain_memory_kill(options_.launch.cgroups, *ending_, memory_kills_before_);
  }
  if (lease_expired_) {
    ending_ = Ending{EndCause::kLost,
                     125,
                     "its node had no word of the controller for longer than the attempt's lease",
                     {}};
  }
  if (state_.stays) ending_ = Ending{EndCause::kExited, 0, {}, {}};  // long before
  state_.ending = ending_;
  state_.stdin_offset = stdin_.taken();
  state_.output_bytes = log_.bytes();
  const ExitRecord record{*ending_,       log_.bytes(),      state_.ended,
                          state_.started, state_.first_byte, usage_of_children()};
  if (Status wrote = write_exit_record(options_.folder, record); !wrote) {
    log::error("{}", wrote.error().message);
  }
  const auto deadline = Clock::now() + kFarewellPatience;
  state_news_ = true;
  tell_news();
  while (agent_ && (state_news_ || !agent_->idle()) && Clock::now() < deadline) turn();
  if (Status synced = log_.sync(); !synced) log::error("{}", synced.error().message);
  if (Result<UniqueFd> exit = open_file(options_.folder + "/exit", O_RDONLY); exit) {
    ::fsync(exit->get());
  }
  if (Status synced = sync_folder(options_.folder); !synced) {
    log::error("{}", synced.error().message);
  }
  ::unlink((options_.folder + "/shim.sock").c_str());
  ::unlink((options_.folder + "/sessions.sock").c_str());
}

Status run_shim(ShimOptions options) {
  const std::string order = TRY(read_file(options.launch.order_path));
  options.launch.order = TRY(parse_container_order(order));
  OutputLog log = TRY(OutputLog::open(options.folder + "/output", options.output_bytes_max));
  return Shim(std::move(options), std::move(log)).run();
}

}  // namespace devrun::shim
