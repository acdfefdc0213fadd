// The calls about the scheduler: what would become of a job, and nodes taken out of use.
#include <fmt/format.h>

#include "common/base/suggest.h"
#include "common/base/utf8.h"
#include "controller/core/explain.h"
#include "controller/rpc/check_submit.h"
#include "controller/rpc/client_service.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

namespace {

constexpr size_t kReasonBytesMax = 200;

Error no_node(const State& state, const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& [known, node] : state.nodes) names.push_back(known);
  const auto nearest = nearest_word(name, names);
  return {Code::kNotFound,
          fmt::format("there is no node '{}'{}", name,
                      nearest ? fmt::format("; did you mean '{}'?", *nearest) : std::string()),
          "devrun nodes"};
}

}  // namespace

grpc::ServerUnaryReactor* ClientService::ForeseeJob(Context* context,
                                                    const pb::SubmitRequest* request,
                                                    pb::Foresight* reply) {
  return with_state(context, "ForeseeJob",
                    [=](const State& state, const Who& who, Time now) -> Status {
                      JobSpec spec = TRY(check_submit(*request));
                      spec.user = who.user;
                      const Foresight seen = foresee(state, spec, now);
                      reply->set_reason(in_utf8(seen.reason));
                      reply->set_queue_place(seen.place);
                      reply->set_expected_start_us(seen.start.us);
                      reply->set_never(seen.never);
                      return ok();
                    });
}

grpc::ServerUnaryReactor* ClientService::DrainNode(Context* context,
                                                   const pb::DrainNodeRequest* request,
                                                   pb::NodeInfo* reply) {
  Unary* reactor = context->DefaultReactor();
  const Result<Peer> peer = identify(*context, "DrainNode");
  if (!peer) {
    reactor->Finish(to_status(peer.error()));
    return reactor;
  }
  const bool bad_reason = request->drained() &&
                          (request->reason().empty() || request->reason().size() > kReasonBytesMax);
  if (bad_reason) {
    reactor->Finish(to_status(
        Error{Code::kInvalid,
              fmt::format("a node is drained for a reason of 1 to {} bytes", kReasonBytesMax),
              fmt::format("devrun nodes drain {} REASON", request->node())}));
    return reactor;
  }
  Drain input{request->node(), request->drained(), in_utf8(request->reason()),
              peer->certified.name};
  parts_.core.post(std::move(input), [=](const State& state, Time now,
                                         const Result<Reply>& result) {
    if (!result) {
      const bool unknown = result.error().code == Code::kNotFound;
      return reactor->Finish(to_status(unknown ? no_node(state, request->node()) : result.error()));
    }
    *reply = node_info(state, state.nodes.at(request->node()), now);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace devrun::controller
