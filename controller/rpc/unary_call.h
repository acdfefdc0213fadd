// The beginning that calls with one answer share: the peer is identified, and refused if it may not make the call; then, on
// the core's thread, it is resolved to a user. What is refused is answered here; what is not is the work's to answer.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

// `work(Peer, reactor)` runs at once, on gRPC's thread.
template <typename Work>
grpc::ServerUnaryReactor* for_peer(const Gate& gate, grpc::CallbackServerContext* context,
                                   const char* call, Work&& work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Result<Peer> peer = identify(gate, *context, call);
  if (!peer) {
    reactor->Finish(to_status(peer.error()));
  } else {
    work(std::move(*peer), *reactor);
  }
  return reactor;
}

// `work` runs on the core's thread, after all that was posted before, and once find_job has `jobs`, if there are such.
using ForCaller = std::function<void(const State& state, const Who& who, Time now,
                                     grpc::ServerUnaryReactor& reactor)>;
grpc::ServerUnaryReactor* for_caller(const Parts& parts, grpc::CallbackServerContext* context,
                                     const char* call, std::vector<JobId> jobs, ForCaller work);

// `first` on the core's thread, and if it succeeds `then` on a worker, which may block, if the caller still counts by
// then; answers what it returns.
using WithState = std::function<Status(const State& state, const Who& who, Time now)>;
using WithWho = std::function<Status(const Who& who)>;
grpc::ServerUnaryReactor* on_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                    const char* call, WithState first, WithWho then);
// The same by the one worker of accounts and certificates: in turn, and behind nothing that takes long.
grpc::ServerUnaryReactor* on_access_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                           const char* call, WithState first, WithWho then);
grpc::ServerUnaryReactor* on_access_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                           const char* call, WithWho work);
grpc::ServerUnaryReactor* on_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                    const char* call, WithWho work);

}  // namespace devrun::controller
