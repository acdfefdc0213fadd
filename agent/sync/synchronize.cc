#include "agent/sync/synchronize.h"

#include "common/base/log.h"
#include "common/runtime/boot_clock.h"
#include "common/wire/error.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
// A call waits for its connection, with the words and the time of its dialling: what has waited for longer is dialled
// anew, or leases would count from long ago and what runs would be told as it was.
constexpr Duration kFirstWordWithin = seconds(15);
}  // namespace

// Reads are started from the loop's thread, hence the hold, which goes with the first read that fails.
class Synchronize::Call final : public grpc::ClientReadReactor<pb::DesiredState> {
 public:
  Call(Synchronize& owner, uint64_t number, pb::SynchronizeRequest request)
      : owner_(owner), number_(number), request_(std::move(request)) {
    context_.set_wait_for_ready(true);
    owner_.stub_.async()->Synchronize(&context_, &request_, this);
    AddHold();
    StartRead(&message);
    StartCall();
  }
  ~Call() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    leaving_ = true;
    if (!reading_) RemoveHold();
    changed_.wait(lock, [this] { return done_; });
  }
  void next() {
    {
      const std::lock_guard lock(mutex_);
      reading_ = true;
    }
    StartRead(&message);
  }
  void cancel() { context_.TryCancel(); }

  pb::DesiredState message;

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {
      RemoveHold();
      return;
    }
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (leaving_) {  // a message that came just before the call was given up
      RemoveHold();
      return;
    }
    owner_.loop_.post([&owner = owner_, number = number_] { owner.on_message(number); });
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    owner_.loop_.post(
        [&owner = owner_, number = number_, status] { owner.on_done(number, status); });
    changed_.notify_all();
  }

  Synchronize& owner_;
  const uint64_t number_;
  pb::SynchronizeRequest request_;
  grpc::ClientContext context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reading_ = true;
  bool leaving_ = false;  // nobody will read on
  bool done_ = false;
};

Synchronize::Synchronize(pb::Agent::Stub& stub, Loop& loop, uint32_t seed, Handlers handlers)
    : stub_(stub), loop_(loop), backoff_(seed), handlers_(std::move(handlers)) {}

Synchronize::~Synchronize() = default;

void Synchronize::dial() {
  generation_.reset();
  broken_ = false;
  call_.reset();
  dialled_at_ = boot_clock();
  call_ = std::make_unique<Call>(*this, ++call_number_, handlers_.request());
  loop_.post_after(kFirstWordWithin, [this, number = call_number_] {
    if (number == call_number_ && !generation_) call_->cancel();
  });
}

void Synchronize::on_message(uint64_t call_number) {
  if (call_number != call_number_) return;
  const pb::DesiredState& message = call_->message;
  const bool first = !generation_;
  if (message.whole() != first || (!first && message.generation() != *generation_ + 1)) {
    log::error("the controller's message {} is out of order: dialling again", message.generation());
    broken_ = true;
    call_->cancel();
  }
  if (broken_) {
    call_->next();
    return;
  }
  generation_ = message.generation();
  backoff_.reset();
  if (first) {
    log::info("connected to the controller");
    if (handlers_.connected) handlers_.connected(true);
  }
  told_of_failure_ = false;
  handlers_.desired(message);
  call_->next();
}

void Synchronize::on_done(uint64_t call_number, const grpc::Status& status) {
  if (call_number != call_number_) return;
  if (handlers_.connected) handlers_.connected(false);
  const Duration pause = backoff_.next();
  if (!told_of_failure_) {
    const Error error = wire::error_of_call(static_cast<int>(status.error_code()),
                                            status.error_message(), status.error_details());
    log::warning("not connected to the controller: {}", error.message);
    told_of_failure_ = true;
  }
  loop_.post_after(pause, [this] { dial(); });
}

}  // namespace devrun::agent
