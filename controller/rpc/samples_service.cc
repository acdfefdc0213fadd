#include "controller/rpc/samples_service.h"

#include "common/wire/sample.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

grpc::ServerUnaryReactor* SamplesService::TellSample(grpc::CallbackServerContext* context,
                                                     const devrun::v1::NodeSample* request,
                                                     devrun::v1::TellSampleReply*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Result<Peer> peer = identify(gate_, *context, "TellSample");
  Result<NodeSample> sample = wire::from_proto(*request);
  if (!peer || !sample) {
    reactor->Finish(to_status(peer ? sample.error() : peer.error()));
    return reactor;
  }
  sample->node = peer->certified.name;
  book_.tell(std::move(*sample), clock_now());
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace devrun::controller
