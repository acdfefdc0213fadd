// What administrators and members call about certificates: proto/devrun/v1/enrolment.proto, Enrolment.
#pragma once

#include <string>

#include "controller/rpc/admission.h"
#include "controller/rpc/services.h"
#include "devrun/v1/enrolment.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class EnrolmentService final : public pb::Enrolment::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  EnrolmentService(Parts parts, Enrolment& enrolment, HeldCalls& held)
      : parts_(parts), enrolment_(enrolment), held_(held) {}

  // HOST:PORT where tokens are good, empty: nowhere; before the server starts.
  void say_where(std::string address) { join_address_ = std::move(address); }

  Unary* Invite(Context*, const pb::InviteRequest*, pb::InviteReply*) override;
  Unary* Revoke(Context*, const pb::RevokeRequest*, pb::RevokeReply*) override;
  Unary* Renew(Context*, const pb::RenewRequest*, pb::RenewReply*) override;

 private:
  Parts parts_;
  Enrolment& enrolment_;
  HeldCalls& held_;
  std::string join_address_;
};

}  // namespace devrun::controller
