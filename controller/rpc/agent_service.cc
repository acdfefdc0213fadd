#include "controller/rpc/agent_service.h"

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/base/version.h"
#include "common/wire/attempt.h"
#include "controller/rpc/agent_streams.h"
#include "controller/rpc/bring_home_call.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/known_nodes.h"
#include "controller/rpc/refuse.h"
#include "controller/rpc/session_call.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

Status check_version(std::string_view who, std::string_view version) {
  const auto line = [](std::string_view v) { return v.substr(0, v.rfind('.')); };
  if (!version.empty() && line(version) == line(kVersion)) return ok();
  return Error{Code::kUnsupported,
               fmt::format("{} has version '{}' and the controller {}: they cannot work together",
                           who, version, kVersion),
               "install the same version of devrun on both"};
}

namespace {

constexpr size_t kTroubleBytesMax = 1024;
constexpr size_t kCountsMax = 128;
constexpr size_t kCountNameBytesMax = 64;

// What cannot be read of one attempt must not hold back the news of all others, and a node that sends it would send it
// again. If its key can be read, its end counts, if that is what was told, as a lost one; else it is left out.
std::vector<ObservedAttempt> observed_of(
    const std::string& node, const google::protobuf::RepeatedPtrField<pb::ObservedAttempt>& in) {
  std::vector<ObservedAttempt> out;
  out.reserve(static_cast<size_t>(in.size()));
  for (const pb::ObservedAttempt& observed : in) {
    Result<ObservedAttempt> read = wire::from_proto(observed);
    if (read) {
      out.push_back(std::move(*read));
      continue;
    }
    const Result<AttemptKey> key = wire::from_proto(observed.key());
    log::error("{}: news of {} cannot be read: {}", node, key ? folder_name(*key) : "an attempt",
               read.error().message);
    if (!key || observed.phase() != pb::PHASE_ENDED) continue;
    ObservedAttempt lost;
    lost.key = *key;
    lost.phase = Phase::kEnded;
    lost.timeline = wire::from_proto(observed.timeline());
    lost.ending = Ending{EndCause::kLost, 125, "its node could not say how it ended", {}};
    out.push_back(std::move(lost));
  }
  return out;
}

Counts counts_of(const pb::NodeCondition& condition) {
  Counts out;
  for (const pb::NamedCount& count : condition.files()) {
    if (out.size() == kCountsMax) break;
    out[count.name().substr(0, kCountNameBytesMax)] = count.value();
  }
  return out;
}

Status check_name(const Peer& peer, const std::string& claimed) {
  if (peer.certified.name == claimed) return ok();
  return Error{
      Code::kDenied,
      fmt::format("the certificate is for node '{}', not for '{}'", peer.certified.name, claimed),
      "start devrun-agent with the name that its certificate carries"};
}

Result<Synchronized> read(const Gate& gate, const grpc::CallbackServerContext& context,
                          const pb::SynchronizeRequest& request) {
  const Peer peer = TRY(identify(gate, context, "Synchronize"));
  Synchronized input;
  input.hello = wire::from_proto(request.hello());
  TRY(check_name(peer, input.hello.name));
  TRY(check_version("the agent of " + input.hello.name, input.hello.version));
  if (input.hello.boot_id.empty()) {
    return Error{Code::kInvalid, "hello.boot_id is missing", {}};
  }
  input.observed = observed_of(input.hello.name, request.observed());
  input.trouble = request.condition().trouble().substr(0, kTroubleBytesMax);
  input.files = counts_of(request.condition());
  return input;
}

Result<Reported> read(const Gate& gate, const grpc::CallbackServerContext& context,
                      const pb::ReportRequest& request) {
  const Peer peer = TRY(identify(gate, context, "Report"));
  TRY(check_name(peer, request.node()));
  Reported input{request.node(), observed_of(request.node(), request.observed()), {}};
  if (request.has_condition() && !request.condition().only_files()) {
    input.trouble = request.condition().trouble().substr(0, kTroubleBytesMax);
  }
  input.files = counts_of(request.condition());
  return input;
}

}  // namespace

// Looks again, once the call can be found: the revocation may have come after the call had been let in.
HeldCalls::Hold AgentService::hold(const std::string& node, grpc::CallbackServerContext* context) {
  HeldCalls::Hold out(held_, {certificate_uri({Role::kNode, node})}, context);
  if (!parts_.gate.admits(*context->auth_context())) context->TryCancel();
  return out;
}

// A machine that was a revoked node's, and is one of the cluster's again.
void AgentService::admit_to_store(const std::string& node, const std::string& address) {
  const bool queued = parts_.access_work.run([&refusals = parts_.store_refusals, node, address] {
    const Status done = refusals.admit(node, address);
    if (!done) log::error("{} is kept off the store: {}", node, done.error().message);
  });
  if (!queued) log::error("{} may be kept off the store: too much is to be done", node);
}

grpc::ServerWriteReactor<pb::DesiredState>* AgentService::Synchronize(
    grpc::CallbackServerContext* context, const pb::SynchronizeRequest* request) {
  Result<Synchronized> input = read(parts_.gate, *context, *request);
  if (!input) {
    log::warning("Synchronize refused: {}", input.error().message);
    return new RefuseWrite<pb::DesiredState>(to_status(input.error()));
  }
  const std::string node = input->hello.name;
  // Before it gets anything to run.
  if (const Status noted = note_node(nodes_folder_beside(parts_.storage.jobs_path()), node);
      !noted) {
    log::warning("{} is not noted in the store: {}", node, noted.error().message);
  }
  admit_to_store(node, input->hello.address);
  const uint64_t session = ++sessions_;
  input->session = session;
  log::info("{} synchronizes (session {}, {} attempts)", node, session, input->observed.size());
  std::set<AttemptKey> observed;
  for (const ObservedAttempt& attempt : input->observed) observed.insert(attempt.key);

  CoreLoop& core = parts_.core;
  AgentSessions& agents = parts_.agents;
  auto raw = std::make_shared<DesiredStream*>(nullptr);
  const auto held = std::make_shared<HeldCalls::Hold>(hold(node, context));
  auto stream = std::make_shared<DesiredStream>([&core, &agents, node, session, raw, held] {
    held->reset();
    log::info("{} has gone (session {})", node, session);
    core.post(NodeGone{node, session},
              [&agents, node, raw](const State&, Time, const auto&) { agents.forget(node, *raw); });
  });
  *raw = stream.get();
  stream->hold(stream);
  core.post(std::move(*input), [&agents, node, stream, observed](const State& state, Time,
                                                                 const Result<Reply>& taken) {
    // It says it all again.
    if (!taken) return stream->close(to_status(taken.error()));
    agents.open(state, node, stream, observed);
  });
  return stream.get();
}

grpc::ServerUnaryReactor* AgentService::Report(grpc::CallbackServerContext* context,
                                               const pb::ReportRequest* request, pb::ReportReply*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Result<Reported> input = read(parts_.gate, *context, *request);
  if (!input) {
    log::warning("Report refused: {}", input.error().message);
    reactor->Finish(to_status(input.error()));
    return reactor;
  }
  parts_.core.post(std::move(*input), [reactor](const State&, Time, const Result<Reply>& taken) {
    reactor->Finish(taken ? grpc::Status::OK : to_status(taken.error()));
  });
  return reactor;
}

// Only of an attempt that is the task's present one, and by its own node.
grpc::ServerUnaryReactor* AgentService::KeepTrace(grpc::CallbackServerContext* context,
                                                  const pb::KeepTraceRequest* request,
                                                  pb::KeepTraceReply*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Result<Peer> peer = identify(parts_.gate, *context, "KeepTrace");
  const Result<AttemptKey> key = wire::from_proto(request->key());
  if (!peer || !key) {
    reactor->Finish(to_status(peer ? key.error() : peer.error()));
    return reactor;
  }
  parts_.core.read_jobs(
      {key->job}, [this, reactor, key = *key, node = peer->certified.name,
                   trace = request->trace()](const State& state, Time, const Status&) {
        const Job* job = find_job(state, key.job);
        const Rank* rank = find_rank(state, key);
        if (job == nullptr || rank == nullptr || rank->node != node || job->spec.root.live) {
          const Error error{Code::kNotFound, to_string(key) + " is no attempt of " + node, {}};
          return reactor->Finish(to_status(error));
        }
        const bool queued = parts_.snapshots.run(
            [this, reactor, volume = job->spec.root.volume, argv = job->spec.program.argv, trace] {
              const Status kept = parts_.storage.keep_trace(volume, argv, trace);
              reactor->Finish(kept ? grpc::Status::OK : to_status(kept.error()));
            });
        if (!queued) reactor->Finish(to_status(Error{Code::kExhausted, "too much to do", {}}));
      });
  return reactor;
}

grpc::ServerBidiReactor<pb::StreamsUp, pb::StreamsDown>* AgentService::Streams(
    grpc::CallbackServerContext* context) {
  const Result<Peer> peer = identify(parts_.gate, *context, "Streams");
  if (!peer) return new RefuseBidi<pb::StreamsUp, pb::StreamsDown>(to_status(peer.error()));
  const std::string& node = peer->certified.name;
  return AgentStreams::start(parts_.core, parts_.hub, node, hold(node, context));
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* AgentService::BringHome(
    grpc::CallbackServerContext* context) {
  const Result<Peer> peer = identify(parts_.gate, *context, "BringHome");
  if (!peer) return new RefuseBidi<grpc::ByteBuffer, grpc::ByteBuffer>(to_status(peer.error()));
  const std::string& node = peer->certified.name;
  return BringHomeCall::start(parts_, node, hold(node, context));
}

grpc::ServerBidiReactor<pb::SessionUp, pb::AttachRequest>* AgentService::Session(
    grpc::CallbackServerContext* context) {
  const Result<Peer> peer = identify(parts_.gate, *context, "Session");
  if (!peer) return new RefuseBidi<pb::SessionUp, pb::AttachRequest>(to_status(peer.error()));
  const std::string& node = peer->certified.name;
  AgentReactor* const call = parts_.sessions.agent_call(node);
  keep_held(*call, hold(node, context));
  return call;
}

}  // namespace devrun::controller
