#include "controller/rpc/unary_call.h"

namespace devrun::controller {

namespace {

grpc::ServerUnaryReactor* by(WorkerPool& workers, const Parts& parts,
                             grpc::CallbackServerContext* context, const char* call,
                             WithState first, WithWho then) {
  return for_peer(parts.gate, context, call, [&](Peer peer, grpc::ServerUnaryReactor& reactor) {
    parts.core.read([&workers, &reactor, peer = std::move(peer), first = std::move(first),
                     then = std::move(then)](const State& state, Time now) {
      const Result<Who> who = resolve(state, peer);
      if (!who) return reactor.Finish(to_status(who.error()));
      const Status checked = first(state, *who, now);
      if (!checked) return reactor.Finish(to_status(checked));
      const bool queued = workers.run([&reactor, then, who = *who, peer] {
        const Status counts = still_counts(peer, who.user);
        reactor.Finish(to_status(counts ? then(who) : counts));
      });
      if (queued) return;
      reactor.Finish(
          to_status(Error{Code::kExhausted, "too many requests of this kind wait", "try again"}));
    });
  });
}

Status nothing(const State&, const Who&, Time) {
  return ok();
}

}  // namespace

grpc::ServerUnaryReactor* for_caller(const Parts& parts, grpc::CallbackServerContext* context,
                                     const char* call, std::vector<JobId> jobs, ForCaller work) {
  return for_peer(parts.gate, context, call, [&](Peer peer, grpc::ServerUnaryReactor& reactor) {
    parts.core.read_jobs(std::move(jobs),
                         [&reactor, peer = std::move(peer), work = std::move(work)](
                             const State& state, Time now, const Status& read) {
                           if (!read) return reactor.Finish(to_status(read.error()));
                           const Result<Who> who = resolve(state, peer);
                           if (!who) return reactor.Finish(to_status(who.error()));
                           work(state, *who, now, reactor);
                         });
  });
}

grpc::ServerUnaryReactor* on_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                    const char* call, WithState first, WithWho then) {
  return by(parts.volume_work, parts, context, call, std::move(first), std::move(then));
}

grpc::ServerUnaryReactor* on_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                    const char* call, WithWho work) {
  return by(parts.volume_work, parts, context, call, nothing, std::move(work));
}

grpc::ServerUnaryReactor* on_access_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                           const char* call, WithState first, WithWho then) {
  return by(parts.access_work, parts, context, call, std::move(first), std::move(then));
}

grpc::ServerUnaryReactor* on_access_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                           const char* call, WithWho work) {
  return by(parts.access_work, parts, context, call, nothing, std::move(work));
}

}  // namespace devrun::controller
