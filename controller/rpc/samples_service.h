// What agents tell of load: proto/devrun/v1/monitor.proto, Samples. Goes into the book at once; the core is not asked.
#pragma once

#include "controller/metrics/sample_book.h"
#include "controller/rpc/gate.h"
#include "devrun/v1/monitor.grpc.pb.h"

namespace devrun::controller {

class SamplesService final : public devrun::v1::Samples::CallbackService {
 public:
  SamplesService(SampleBook& book, const Gate& gate) : book_(book), gate_(gate) {}

  grpc::ServerUnaryReactor* TellSample(grpc::CallbackServerContext* context,
                                       const devrun::v1::NodeSample* request,
                                       devrun::v1::TellSampleReply* reply) override;

 private:
  SampleBook& book_;
  const Gate& gate_;
};

}  // namespace devrun::controller
