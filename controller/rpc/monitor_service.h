// What monitors call: proto/devrun/v1/monitor.proto, Monitor.
#pragma once

#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "devrun/v1/monitor.grpc.pb.h"

namespace devrun::controller {

class MonitorService final : public pb::Monitor::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  explicit MonitorService(Parts parts) : parts_(parts) {}

  grpc::ServerWriteReactor<pb::WatchUpdate>* Watch(Context*, const pb::WatchRequest*) override;
  Unary* ReadSeries(Context*, const pb::SeriesRequest*, pb::SeriesReply*) override;
  Unary* ReadQueue(Context*, const pb::QueueRequest*, pb::QueueReply*) override;
  Unary* ReadUse(Context*, const pb::UseRequest*, pb::UseReply*) override;

 private:
  using WithState =
      std::function<void(const State& state, const Who& who, Time now, Unary& reactor)>;
  // On the core's thread, for a caller who may make the call; `work` or somebody after it answers.
  Unary* with_state(Context* context, const char* call, WithState work);

  Parts parts_;
};

}  // namespace devrun::controller
