// The held call that brings the desired state. Dialled again whenever it breaks; each message is handed over on the
// loop's thread, and the next is read only then, so that nothing queues here.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "agent/sync/backoff.h"
#include "agent/sync/loop.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

class Synchronize {
 public:
  struct Handlers {
    std::function<devrun::v1::SynchronizeRequest()> request;  // what to say now
    std::function<void(const devrun::v1::DesiredState&)> desired;
    std::function<void(bool)> connected = {};  // whether it is, when that changes
  };

  // All on the loop's thread, which has been stopped before the end of this object.
  Synchronize(devrun::v1::Agent::Stub& stub, Loop& loop, uint32_t seed, Handlers handlers);
  ~Synchronize();
  void dial();
  Time dialled_at() const { return dialled_at_; }  // boot_clock(), of the present call

 private:
  class Call;
  void on_message(uint64_t call_number);
  void on_done(uint64_t call_number, const grpc::Status& status);

  devrun::v1::Agent::Stub& stub_;
  Loop& loop_;
  Backoff backoff_;
  Handlers handlers_;
  uint64_t call_number_ = 0;
  Time dialled_at_;
  std::optional<uint64_t> generation_;  // of this call's newest message
  bool broken_ = false;                 // nothing of this call is taken any more
  bool told_of_failure_ = false;        // one line in the log for each outage
  std::unique_ptr<Call> call_;
};

}  // namespace devrun::agent
