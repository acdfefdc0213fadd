// The calls about nodes: which there are, taking one out of use, declaring one lost.
#include <fmt/format.h>

#include "common/base/log.h"
#include "common/base/suggest.h"
#include "common/base/utf8.h"
#include "common/wire/job.h"
#include "common/wire/sample.h"
#include "controller/rpc/client_service.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/known_nodes.h"
#include "controller/rpc/status.h"
#include "controller/rpc/unary_call.h"

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

// Steps what an administrator has said of a node, and answers once it is durable.
template <typename Input, typename Answer>
void step_of_node(CoreLoop& core, grpc::ServerUnaryReactor* reactor, const std::string& node,
                  Input input, Answer answer) {
  core.post(std::move(input), [=](const State& state, Time now, const Result<Reply>& result) {
    if (result) {
      answer(state, now, *result);
      return reactor->Finish(grpc::Status::OK);
    }
    const bool unknown = result.error().code == Code::kNotFound;
    reactor->Finish(to_status(unknown ? no_node(state, node) : result.error()));
  });
}

}  // namespace

grpc::ServerUnaryReactor* ClientService::ListNodes(Context* context,
                                                   const pb::ListNodesRequest* request,
                                                   pb::ListNodesReply* reply) {
  return with_jobs(
      context, "ListNodes", {}, [=, this](const State& state, const Who&, Time now) -> Status {
        if (!request->node().empty()) {
          const auto found = state.nodes.find(request->node());
          if (found == state.nodes.end() || found->second.lost)
            return no_node(state, request->node());
          pb::NodeInfo& info = *reply->add_nodes() = node_info(state, found->second, now);
          const auto presence = state.presence.nodes.find(request->node());
          if (presence == state.presence.nodes.end()) return ok();
          for (const auto& [name, value] : presence->second.files) {
            pb::NamedCount& count = *info.add_files();
            count.set_name(name);
            count.set_value(value);
          }
          for (const GpuSample& sample : parts_.samples.gpus_of(request->node(), now)) {
            *info.add_gpu_samples() = wire::to_proto(sample);
          }
          return ok();
        }
        for (const auto& [name, node] : state.nodes) {
          if (!node.lost) *reply->add_nodes() = node_info(state, node, now);
        }
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::DeclareNodeLost(Context* context,
                                                         const pb::DeclareNodeLostRequest* request,
                                                         pb::DeclareNodeLostReply* reply) {
  return for_peer(parts_.gate, context, "DeclareNodeLost", [&](const Peer& peer, Unary& reactor) {
    const std::string reason =
        fmt::format("{} was declared lost by {}", request->node(), peer.certified.name);
    step_of_node(parts_.core, &reactor, request->node(), DeclareLost{request->node(), reason},
                 [reply, folder = nodes_folder_beside(parts_.storage.jobs_path()),
                  node = request->node()](const State&, Time, const Reply& done) {
                   if (const Status gone = forget_node(folder, node); !gone) {
                     log::warning("{} stays noted in the store: {}", node, gone.error().message);
                   }
                   for (const AttemptKey& key : std::get<DeclaredLost>(done).attempts) {
                     *reply->add_attempts() = wire::to_proto(key);
                   }
                 });
  });
}

grpc::ServerUnaryReactor* ClientService::DrainNode(Context* context,
                                                   const pb::DrainNodeRequest* request,
                                                   pb::NodeInfo* reply) {
  return for_peer(parts_.gate, context, "DrainNode", [&](const Peer& peer, Unary& reactor) {
    if (request->drained() &&
        (request->reason().empty() || request->reason().size() > kReasonBytesMax)) {
      return reactor.Finish(to_status(
          Error{Code::kInvalid,
                fmt::format("a node is drained for a reason of 1 to {} bytes", kReasonBytesMax),
                fmt::format("devrun nodes drain {} REASON", request->node())}));
    }
    step_of_node(
        parts_.core, &reactor, request->node(),
        Drain{request->node(), request->drained(), in_utf8(request->reason()), peer.certified.name},
        [reply, node = request->node()](const State& state, Time now, const Reply&) {
          *reply = node_info(state, state.nodes.at(node), now);
        });
  });
}

}  // namespace devrun::controller
