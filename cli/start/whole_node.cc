#include "cli/start/whole_node.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <optional>

#include "cli/cluster/ending.h"
#include "cli/cluster/needs.h"
#include "cli/cluster/say.h"
#include "common/runtime/fd.h"

namespace devrun::start {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kStartAgainAfter = std::chrono::seconds(1);
constexpr int kPollMs = 200;

sigset_t awaited_signals() {
  sigset_t out;
  sigemptyset(&out);
  for (const int one : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&out, one);
  return out;
}

class WholeNode {
 public:
  WholeNode(const NodeConfig& config, std::string file, std::string starter, int signals)
      : config_(config), file_(std::move(file)), starter_(std::move(starter)), signals_(signals) {}

  Status run() {
    keeper_ = TRY(start("keeper"));
    files_ = TRY(start("files"));
    while (!over()) {
      pollfd ready{signals_, POLLIN, 0};
      if (::poll(&ready, 1, kPollMs) > 0) take_signal();
      reap();
      if (failure_) return *failure_;
      if (agent_ == 0 && files_ == 0 && !leaving_ && Clock::now() >= agent_at_) {
        agent_ = TRY(start("agent"));
      }
    }
    return ok();
  }

 private:
  // In a session of its own: a signal for our process group is ours alone.
  Result<pid_t> start(const char* role) {
    const pid_t pid = ::fork();
    if (pid < 0) return errno_error("fork", errno);
    if (pid != 0) return pid;
    ::setsid();
    const sigset_t awaited = awaited_signals();
    ::sigprocmask(SIG_UNBLOCK, &awaited, nullptr);
    ::execl(starter_.c_str(), starter_.c_str(), role, "--config", file_.c_str(), nullptr);
    ::_exit(127);
  }

  void take_signal() {
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info || info.ssi_signo == SIGCHLD) return;
    if (leaving_) return;
    leaving_ = Clock::now() +
               std::chrono::microseconds((*config_.settings.leave_on_stop + kLeaveSlack).us);
    cluster::say("{} leaves the cluster: it was told to end", config_.name);
    if (agent_ > 0) ::kill(agent_, SIGTERM);
  }

  void reap() {
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
         pid = ::waitpid(-1, &status, WNOHANG)) {
      if (pid == agent_) {
        agent_ = 0;
        agent_at_ = Clock::now() + kStartAgainAfter;
      } else if (pid == files_) {
        files_ = 0;
        if (status != 0) fail("its devrun-fs did not start");
      } else if (pid == keeper_) {
        keeper_ = 0;
        fail("its keeper has ended");
      }
    }
  }

  void fail(const char* what) {
    if (leaving_) return;
    failure_ =
        Error{Code::kUnavailable, fmt::format("{} is over: {}", config_.name, what),
              fmt::format("what it said before, and devrun-start agent --check-config --config {}",
                          file_)};
  }

  bool over() const { return leaving_ && (agent_ == 0 || Clock::now() >= *leaving_); }

  const NodeConfig& config_;
  const std::string file_, starter_;
  const int signals_;
  pid_t keeper_ = 0, files_ = 0, agent_ = 0;  // 0: it does not run
  Clock::time_point agent_at_{};              // not before
  std::optional<Clock::time_point> leaving_;  // until then
  std::optional<Error> failure_;
};

}  // namespace

Status run_whole_node(const NodeConfig& config, const std::string& file) {
  if (!config.settings.leave_on_stop) {
    return Error{Code::kInvalid,
                 fmt::format("{}: 'leave_on_stop' is missing: the node's jobs end with it, and "
                             "have so long to end well",
                             file),
                 fmt::format("leave_on_stop: 20s in {}", file)};
  }
  const std::string starter = TRY(cluster::find_program("devrun-start"));
  // Shims outlive agents: they come to us, not to whoever is above us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const sigset_t awaited = awaited_signals();
  if (::sigprocmask(SIG_BLOCK, &awaited, nullptr) != 0) return errno_error("sigprocmask", errno);
  const UniqueFd signals(::signalfd(-1, &awaited, SFD_CLOEXEC));
  if (!signals) return errno_error("signalfd", errno);
  const Status done = WholeNode(config, file, starter, signals.get()).run();
  const cluster::Layout layout{config.state};
  const Result<cluster::Ended> ended = cluster::end_members(
      cluster::Layout{layout.node(config.name)}, fmt::format("{} left the cluster", config.name));
  if (!ended) cluster::say("{}", ended.error().message);
  const Result<cluster::Ended> rest = cluster::end_members(layout);
  if (!rest) cluster::say("{}", rest.error().message);
  const Status left = cluster::verify_nothing_left(layout);
  return done ? left : done;
}

}  // namespace devrun::start
