#include "controller/rpc/enrolment_service.h"

#include <fmt/format.h>

#include <algorithm>

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

// Such a certificate says no moment, so that none of the name would ever count again, and it hides nothing from anybody.
Error made_by_up(const std::string& node) {
  return {Code::kUnsupported,
          fmt::format("{} is a node of the controller's own machine, where its key lies beside the "
                      "authority's, with which whoever has stolen it makes others",
                      node),
          fmt::format("devrun nodes drain {} REASON, or devrun down on that machine", node)};
}

bool is_known(const State& state, const std::string& node) {
  const auto found = state.nodes.find(node);
  return found != state.nodes.end() && !found->second.lost;
}

// As it said itself; also of one that was declared lost. Empty: it was never here.
std::string address_of(const State& state, const std::string& node) {
  const auto found = state.nodes.find(node);
  return found == state.nodes.end() ? std::string() : found->second.hello.address;
}

bool is_alone_at(const State& state, const std::string& node, const std::string& address) {
  return std::ranges::none_of(state.nodes, [&](const auto& one) {
    return one.first != node && !one.second.lost && one.second.hello.address == address;
  });
}

}  // namespace

grpc::ServerUnaryReactor* EnrolmentService::Invite(Context* context,
                                                   const pb::InviteRequest* request,
                                                   pb::InviteReply* reply) {
  return on_access_worker(parts_, context, "Invite", [=, this](const Who& by) -> Status {
    const Certified who = TRY(certified_of(request->role(), request->name()));
    if (join_address_.empty() || !enrolment_.may_invite()) {
      return Error{Code::kUnsupported,
                   "nobody can join this cluster: its controller has no port for that",
                   "docs/install.md, which says how a cluster of several machines is made; the "
                   "controller's log, if it has one"};
    }
    const auto invited = TRY(enrolment_.invite(who, {request->valid_us()}, clock_now()));
    reply->set_token(invited.token);
    reply->set_join(join_address_);
    reply->set_until_us(invited.until.us);
    log::info("{} has made a token for {}", by.user, request->name());
    return ok();
  });
}

grpc::ServerUnaryReactor* EnrolmentService::Revoke(Context* context,
                                                   const pb::RevokeRequest* request,
                                                   pb::RevokeReply* reply) {
  auto known = std::make_shared<bool>(false);
  auto alone = std::make_shared<bool>(false);  // at its address
  return on_access_worker(
      parts_, context, "Revoke",
      [=](const State& state, const Who&, Time) {
        *known = is_known(state, request->name());
        reply->set_address(address_of(state, request->name()));
        *alone = is_alone_at(state, request->name(), reply->address());
        return ok();
      },
      [=, this](const Who& by) -> Status {
        const Certified who = TRY(certified_of(request->role(), request->name()));
        if (*known && !enrolment_.has_heard_of(who)) return made_by_up(who.name);
        const auto revoked = TRY(enrolment_.revoke(who, *known, clock_now()));
        reply->set_had_token(revoked.had_token);
        reply->set_had_certificate(revoked.had_certificate);
        held_.end_all(certificate_uri(who));
        log::info("{} has revoked {}", by.user, request->name());
        if (request->orderly() || !*alone) return ok();
        const Result<bool> refused = parts_.store_refusals.refuse(who.name, reply->address());
        if (!refused) log::error("{} still reads the store: {}", who.name, refused.error().message);
        reply->set_store_refuses(refused && *refused);
        return ok();
      });
}

grpc::ServerUnaryReactor* EnrolmentService::Renew(Context* context, const pb::RenewRequest* request,
                                                  pb::RenewReply* reply) {
  const Presented said = presented_by(*context->auth_context());
  return on_access_worker(parts_, context, "Renew", [=, this](const Who&) -> Status {
    if (!enrolment_.may_invite()) {
      return Error{Code::kUnsupported, "this controller grants no certificates", {}};
    }
    reply->set_certificate(
        TRY(enrolment_.renew(*said.who, said.issued, request->request(), clock_now())));
    return ok();
  });
}

}  // namespace devrun::controller
