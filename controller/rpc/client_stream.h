// How ClientService's calls answer with a stream, for the files that have such calls.
#pragma once

#include "controller/rpc/client_service.h"
#include "controller/rpc/refuse.h"

namespace devrun::controller {

template <typename Reply>
grpc::ServerWriteReactor<Reply>* ClientService::stream(Context* context, const char* call,
                                                       StreamWork<Reply> work) {
  Result<Peer> peer = identify(parts_.gate, *context, call);
  if (!peer) return new RefuseWrite<Reply>(to_status(peer.error()));
  auto made = std::make_shared<WorkerStream<Reply>>();
  made->hold(made);
  WorkerPool& workers = parts_.long_work;
  parts_.core.read(
      [made, &workers, peer = std::move(*peer), work = std::move(work)](const State& state, Time) {
        const Result<Who> who = resolve(state, peer);
        if (!who) return made->end(who.error());
        const bool queued = workers.run([made, work, who = *who] { made->end(work(who, *made)); });
        if (!queued) {
          made->end(Error{Code::kExhausted, "too many requests about volumes wait", "try again"});
        }
      });
  return made.get();
}

}  // namespace devrun::controller
