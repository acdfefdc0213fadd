#include "controller/rpc/unary_call.h"

namespace devrun::controller {

grpc::ServerUnaryReactor* for_caller(CoreLoop& core, grpc::CallbackServerContext* context,
                                     const char* call, std::vector<JobId> jobs, ForCaller work) {
  return for_peer(context, call, [&](Peer peer, grpc::ServerUnaryReactor& reactor) {
    core.read_jobs(std::move(jobs), [&reactor, peer = std::move(peer), work = std::move(work)](
                                        const State& state, Time now, const Status& read) {
      if (!read) return reactor.Finish(to_status(read.error()));
      const Result<Who> who = resolve(state, peer);
      if (!who) return reactor.Finish(to_status(who.error()));
      work(state, *who, now, reactor);
    });
  });
}

}  // namespace devrun::controller
