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
  Parts parts_;
};

}  // namespace devrun::controller
