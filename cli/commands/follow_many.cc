#include "cli/commands/follow_many.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <thread>

#include "cli/client/attach.h"
#include "common/base/check.h"
#include "common/runtime/fd.h"

namespace devrun::cli {

namespace {

class Following {
 public:
  Following(Controller& controller, Context& context, const std::function<void()>& cancel)
      : console_(context.console),
        controller_(controller),
        cancel_(cancel),
        done_(::eventfd(0, EFD_CLOEXEC)) {}

  Result<FollowedTo> run(Signals& signals, const std::vector<Followed>& followed) {
    for (const Followed& one : followed) {
      AttachOptions options;
      options.what = one.what;
      options.watch = true;
      options.patient = true;
      options.quiet = true;
      options.rank_prefix = one.prefix;
      sessions_.push_back(
          std::make_unique<AttachSession>(controller_, console_, nullptr, std::move(options)));
    }
    std::thread watcher([&] { watch(signals); });
    std::vector<std::thread> threads;
    for (const auto& session : sessions_) {
      threads.emplace_back([this, one = session.get()] { follow(*one); });
    }
    for (std::thread& thread : threads) thread.join();
    ::eventfd_write(done_.get(), 1);
    watcher.join();
    if (failure_) return *failure_;
    if (broken_pipe_) return FollowedTo::kBrokenPipe;
    return left_ ? FollowedTo::kLeft : FollowedTo::kEnd;
  }

 private:
  void follow(AttachSession& session) {
    const Result<Attached> attached = session.run();
    if (!attached) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = attached.error();
      return;
    }
    if (attached->how == Attached::How::kBrokenPipe) {
      broken_pipe_ = true;
      end_all();
      stop_all();
    }
  }

  void watch(Signals& signals) {
    for (;;) {
      std::array<pollfd, 2> polled{{{done_.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
      ::poll(polled.data(), polled.size(), -1);
      if (polled[0].revents != 0) return;
      const auto signal = signals.next();
      const bool ends = signal == SIGINT || signal == SIGTERM || signal == SIGQUIT;
      if (ends && !cancelled_) {
        end_all();
      } else if (ends || signal == SIGHUP) {
        left_ = true;
        stop_all();
      }
    }
  }

  void end_all() {
    if (!cancelled_.exchange(true)) cancel_();
  }
  void stop_all() {
    for (const auto& session : sessions_) session->stop();
  }

  Console& console_;
  Controller& controller_;
  const std::function<void()>& cancel_;
  const UniqueFd done_;
  std::vector<std::unique_ptr<AttachSession>> sessions_;
  std::mutex mutex_;
  std::optional<Error> failure_;  // under mutex_
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> left_ = false;
  std::atomic<bool> broken_pipe_ = false;
};

}  // namespace

Result<FollowedTo> follow_many(Controller& controller, Context& context, Signals& signals,
                               const std::vector<Followed>& followed,
                               const std::function<void()>& cancel) {
  CHECK(followed.size() <= kFollowedMax);
  return Following(controller, context, cancel).run(signals, followed);
}

}  // namespace devrun::cli
