#include "controller/rpc/enrolment_service.h"

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/model/labels.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/unary_call.h"

namespace devrun::controller {

namespace {

Result<Certified> certified_of(const std::string& role, const std::string& name) {
  if (role != role_name(Role::kNode)) {
    return Error{
        Code::kInvalid, fmt::format("nobody is made a '{}' here, but nodes are", role), {}};
  }
  // It becomes a folder's name, and a word of command lines.
  if (!is_label_word(name) || name.find('/') != std::string::npos) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no name of a node: letters, digits, '-', '_' and '.', a "
                             "letter or digit first",
                             name),
                 "devrun nodes add node7"};
  }
  return Certified{Role::kNode, name};
}

bool is_known(const State& state, const std::string& node) {
  const auto found = state.nodes.find(node);
  return found != state.nodes.end() && !found->second.lost;
}

}  // namespace

grpc::ServerUnaryReactor* EnrolmentService::Invite(Context* context,
                                                   const pb::InviteRequest* request,
                                                   pb::InviteReply* reply) {
  return for_peer(context, "Invite", [&](const Peer& peer, Unary& reactor) {
    const auto invite = [this, request, reply]() -> Status {
      const Certified who = TRY(certified_of(request->role(), request->name()));
      if (join_address_.empty() || !enrolment_.may_invite()) {
        return Error{Code::kUnsupported,
                     "nobody can join this cluster: its controller has no port for that",
                     "docs/install.md, which says how a cluster of several machines is made"};
      }
      const auto invited = TRY(enrolment_.invite(who, {request->valid_us()}, clock_now()));
      reply->set_token(invited.token);
      reply->set_join(join_address_);
      reply->set_until_us(invited.until.us);
      return ok();
    };
    const Status invited = invite();
    if (invited) log::info("{} has made a token for {}", peer.certified.name, request->name());
    reactor.Finish(to_status(invited));
  });
}

grpc::ServerUnaryReactor* EnrolmentService::Revoke(Context* context,
                                                   const pb::RevokeRequest* request,
                                                   pb::RevokeReply* reply) {
  return for_peer(context, "Revoke", [&](const Peer& peer, Unary& reactor) {
    core_.read([this, request, reply, by = peer.certified.name, unary = &reactor](
                   const State& state, Time now) {
      const auto revoke = [&]() -> Status {
        const Certified who = TRY(certified_of(request->role(), request->name()));
        const auto revoked = TRY(enrolment_.revoke(who, is_known(state, who.name), now));
        reply->set_had_token(revoked.had_token);
        reply->set_had_certificate(revoked.had_certificate);
        held_.end_all(certificate_uri(who));
        return ok();
      };
      const Status revoked = revoke();
      if (revoked) log::info("{} has revoked {}", by, request->name());
      unary->Finish(to_status(revoked));
    });
  });
}

grpc::ServerUnaryReactor* EnrolmentService::Renew(Context* context, const pb::RenewRequest* request,
                                                  pb::RenewReply* reply) {
  return for_peer(context, "Renew", [&](const Peer& peer, Unary& reactor) {
    if (!enrolment_.may_invite()) {
      return reactor.Finish(
          to_status(Error{Code::kUnsupported, "this controller grants no certificates", {}}));
    }
    const auto renewed = enrolment_.renew(peer.certified, issued_of(*context->auth_context()),
                                          request->request(), clock_now());
    if (renewed) reply->set_certificate(*renewed);
    reactor.Finish(renewed ? grpc::Status::OK : to_status(renewed.error()));
  });
}

}  // namespace devrun::controller
