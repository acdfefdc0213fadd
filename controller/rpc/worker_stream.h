// A call that is answered with a stream while a worker does something long. The worker pushes
// replies, and waits when the caller reads too slowly; a caller who leaves stops the work.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "controller/rpc/status.h"

namespace devrun::controller {

inline constexpr size_t kRepliesWaitingMax = 8;
inline constexpr size_t kWordsWaitingMax = 1000;

// The part that both kinds of stream have. `Reactor` is the gRPC class.
template <typename Reactor, typename Reply>
class WorkerStreamOf : public Reactor {
 public:
  // Until OnDone; whoever works holds another reference.
  void hold(std::shared_ptr<WorkerStreamOf> self) { self_ = std::move(self); }
  // Called once if the caller leaves, from any thread.
  void on_leave(std::function<void()> leave) {
    const std::lock_guard lock(mutex_);
    leave_ = std::move(leave);
    if (left_ && leave_) leave_();
  }

  // Waits while too many are unread. False once the caller has left.
  bool push(Reply reply) {
    std::unique_lock lock(mutex_);
    read_.wait(lock, [this] { return left_ || waiting_.size() < kRepliesWaitingMax; });
    if (left_) return false;
    waiting_.push_back(std::move(reply));
    pump();
    return true;
  }
  // Dropped if very many are unread.
  void offer(Reply reply) {
    const std::lock_guard lock(mutex_);
    if (left_ || waiting_.size() >= kWordsWaitingMax) return;
    waiting_.push_back(std::move(reply));
    pump();
  }
  // The last word, after all replies.
  void end(const Status& status) {
    const std::lock_guard lock(mutex_);
    result_ = status;
    leave_ = {};
    pump();
  }

  void OnWriteDone(bool) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      waiting_.pop_front();
      pump();
    }
    read_.notify_all();
  }
  void OnCancel() override { leave(); }
  void OnDone() override { self_.reset(); }

 protected:
  // Starts an operation outside of a reaction: not once the call has finished, for then gRPC may
  // have freed it.
  void start_if_open(const std::function<void()>& start) {
    const std::lock_guard lock(mutex_);
    if (!finished_) start();
  }
  void leave() {
    {
      const std::lock_guard lock(mutex_);
      left_ = true;
      if (leave_) leave_();
      leave_ = {};
      finish({grpc::StatusCode::CANCELLED, "the caller has gone"});
    }
    read_.notify_all();
  }

 private:
  void finish(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    this->Finish(status);
  }
  // The reply being written stays at the front.
  void pump() {
    if (writing_ || finished_) return;
    if (waiting_.empty()) {
      if (result_) finish(to_status(*result_));
      return;
    }
    writing_ = true;
    this->StartWrite(&waiting_.front());
  }

  std::shared_ptr<WorkerStreamOf> self_;
  std::mutex mutex_;
  std::condition_variable read_;
  std::function<void()> leave_;
  std::deque<Reply> waiting_;
  std::optional<Status> result_;
  bool writing_ = false;
  bool finished_ = false;
  bool left_ = false;
};

template <typename Reply>
using WorkerStream = WorkerStreamOf<grpc::ServerWriteReactor<Reply>, Reply>;

}  // namespace devrun::controller
