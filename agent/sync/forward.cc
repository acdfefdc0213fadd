#include "agent/sync/forward.h"

#include <fmt/format.h>

#include <mutex>

#include "common/base/result.h"
#include "common/wire/error.h"

namespace devrun::agent {
namespace {

// gRPC's own, and those that only the gateway may say.
bool is_forwarded(std::string_view key) {
  return !key.starts_with(':') && !key.starts_with("grpc-") &&
         !key.starts_with("devrun-forwarded-") && key != "user-agent" && key != "content-type" &&
         key != "te";
}

// A controller that is away is told in our words; all else passes as it is.
grpc::Status in_our_words(const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE || !status.error_details().empty())
    return status;
  const Error error{Code::kUnavailable,
                    "this node does not reach the controller: " + status.error_message(),
                    "devrun doctor"};
  return {status.error_code(), error.message, wire::error_details(error)};
}

class Forwarding final : public grpc::ServerGenericBidiReactor {
 public:
  Forwarding(grpc::GenericCallbackServerContext* context, ByteStub& controller,
             const CallerIdentity& caller, Forwardings& all)
      : server_context_(context), all_(all), client_(*this) {
    all_.enter();
    grpc::ClientContext& out = client_.context;
    for (const auto& [key, value] : context->client_metadata()) {
      if (is_forwarded({key.data(), key.size()})) {
        out.AddMetadata({key.data(), key.size()}, {value.data(), value.size()});
      }
    }
    out.AddMetadata("devrun-forwarded-volume", caller.container.volume);
    out.AddMetadata("devrun-forwarded-user", caller.container.user);
    out.AddMetadata("devrun-forwarded-job", std::to_string(caller.container.job));
    out.AddMetadata("devrun-forwarded-uid", std::to_string(caller.uid));
    out.AddMetadata("devrun-forwarded-gid", std::to_string(caller.gid));
    out.AddMetadata("devrun-forwarded-groups", fmt::format("{}", fmt::join(caller.groups, ",")));
    out.set_deadline(context->deadline());
    controller.PrepareBidiStreamingCall(&out, context->method(), {}, &client_);
    client_.begin();
    StartRead(&request_);
  }

 private:
  class ClientSide final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    explicit ClientSide(Forwarding& owner) : owner_(owner) {}
    void begin() {
      AddHold();
      StartRead(&owner_.reply_);
      StartCall();
    }
    grpc::ClientContext context;

   private:
    void OnReadDone(bool ok) override { owner_.on_reply(ok); }
    void OnWriteDone(bool ok) override { owner_.on_request_sent(ok); }
    void OnDone(const grpc::Status& status) override { owner_.on_status(status); }
    Forwarding& owner_;
  };

  // ── up ──
  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (controller_ended_) return;
    if (ok) {
      client_.StartWrite(&request_);
    } else {
      client_.StartWritesDone();  // after a cancellation it does no harm
    }
  }
  void on_request_sent(bool ok) {
    const std::lock_guard lock(mutex_);
    if (ok && !status_given_) StartRead(&request_);
  }

  // ── down ──
  void on_reply(bool ok) {
    {
      const std::lock_guard lock(mutex_);
      if (ok) {
        StartWrite(&reply_);
        return;
      }
      controller_ended_ = true;
    }
    client_.RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) client_.context.TryCancel();
    // No read has failed yet, so that the client side's hold is still there.
    client_.StartRead(&reply_);
  }

  // ── the end ──
  void on_status(const grpc::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, value] : client_.context.GetServerTrailingMetadata()) {
        if (is_forwarded({key.data(), key.size()})) {
          server_context_->AddTrailingMetadata({key.data(), key.size()},
                                               {value.data(), value.size()});
        }
      }
      status_given_ = true;
      Finish(in_our_words(status));
    }
    done_with_one_side();
  }
  void OnCancel() override { client_.context.TryCancel(); }
  void OnDone() override { done_with_one_side(); }
  void done_with_one_side() {
    if (sides_.fetch_sub(1) != 1) return;
    Forwardings& all = all_;
    delete this;
    all.leave();
  }

  grpc::GenericCallbackServerContext* const server_context_;
  Forwardings& all_;
  grpc::ByteBuffer request_, reply_;
  std::mutex mutex_;
  bool controller_ended_ = false;  // nothing more may be started towards the controller
  bool status_given_ = false;      // nothing more may be started towards the program
  std::atomic<int> sides_ = 2;
  ClientSide client_;
};

class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

void Forwardings::enter() {
  const std::lock_guard lock(mutex_);
  ++count_;
}

void Forwardings::leave() {
  const std::lock_guard lock(mutex_);
  --count_;
  changed_.notify_all();
}

void Forwardings::wait_for_all() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return count_ == 0; });
}

grpc::ServerGenericBidiReactor* forward(grpc::GenericCallbackServerContext* context,
                                        ByteStub& controller, const CallerIdentity& caller,
                                        Forwardings& all) {
  return new Forwarding(context, controller, caller, all);
}

grpc::ServerGenericBidiReactor* refuse(const grpc::Status& status) {
  return new Refusal(status);
}

}  // namespace devrun::agent
