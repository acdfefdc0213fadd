#include "controller/rpc/unary_call.h"

namespace devrun::controller {

grpc::ServerUnaryReactor* for_caller(const Parts& parts, grpc::CallbackServerContext* context,
                                     const char* call, std::vector<JobId> jobs, ForCaller work) {
  return for_peer(parts.accounts, context, call, [&](Peer peer, grpc::ServerUnaryReactor& reactor) {
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
  return for_caller(
      parts, context, call, {},
      [&workers = parts.volume_work, first = std::move(first), then = std::move(then)](
          const State& state, const Who& who, Time now, grpc::ServerUnaryReactor& reactor) {
        const Status checked = first(state, who, now);
        if (!checked) return reactor.Finish(to_status(checked));
        const bool queued =
            workers.run([&reactor, then, who] { reactor.Finish(to_status(then(who))); });
        if (queued) return;
        reactor.Finish(to_status(
            Error{Code::kExhausted, "too many requests about volumes wait", "try again"}));
      });
}

grpc::ServerUnaryReactor* on_worker(const Parts& parts, grpc::CallbackServerContext* context,
                                    const char* call, WithWho work) {
  return on_worker(
      parts, context, call, [](const State&, const Who&, Time) { return ok(); }, std::move(work));
}

}  // namespace devrun::controller
