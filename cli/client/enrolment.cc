#include "cli/client/enrolment.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "cli/client/call.h"
#include "cli/client/pinned_authority.h"
#include "common/base/version.h"
#include "devrun/v1/enrolment.grpc.pb.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {

constexpr auto kPatience = std::chrono::seconds(30);
constexpr Duration kLookPatience = seconds(10);

template <typename Stub, typename Request, typename Reply>
Result<Reply> called(const Target& target, Stub& stub,
                     grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                     const Request& request, std::string* peer = nullptr) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  Reply reply;
  const grpc::Status status = (stub.*method)(&context, request, &reply);
  if (!status.ok()) return call_error(status, target);
  if (peer != nullptr) *peer = context.peer();
  return reply;
}

}  // namespace

Result<Invitation> invite_node(const Target& controller, const std::string& name, Duration valid) {
  const auto stub = pb::Enrolment::NewStub(open_channel(controller));
  pb::InviteRequest request;
  request.set_role("node");
  request.set_name(name);
  request.set_valid_us(valid.us);
  const pb::InviteReply reply =
      TRY(called(controller, *stub, &pb::Enrolment::Stub::Invite, request));
  return Invitation{reply.token(), reply.join(), Time{reply.until_us()}};
}

Result<Revocation> revoke_node(const Target& controller, const std::string& name, bool orderly) {
  const auto stub = pb::Enrolment::NewStub(open_channel(controller));
  pb::RevokeRequest request;
  request.set_role("node");
  request.set_name(name);
  request.set_orderly(orderly);
  const pb::RevokeReply reply =
      TRY(called(controller, *stub, &pb::Enrolment::Stub::Revoke, request));
  return Revocation{reply.had_token(), reply.had_certificate(), reply.address(),
                    reply.store_refuses()};
}

Result<Joined> join(const std::string& endpoint, const JoinToken& token,
                    const std::string& request) {
  Joined out;
  out.authority = TRY(fetch_authority(endpoint, token.fingerprint, kLookPatience));
  Target target;
  target.address = TRY(grpc_address(endpoint));
  target.shown = endpoint;
  target.ca = out.authority;
  const auto stub = pb::Joining::NewStub(open_channel(target));
  pb::JoinRequest asked;
  asked.set_secret(token.secret);
  asked.set_request(request);
  asked.set_version(std::string(kVersion));
  const pb::JoinReply reply =
      TRY(called(target, *stub, &pb::Joining::Stub::Join, asked, &out.peer));
  out.certificate = reply.certificate();
  out.role = reply.role();
  out.name = reply.name();
  out.controller = reply.controller();
  out.settings = reply.settings();
  return out;
}

}  // namespace devrun::cli
