// Users, groups and shares: proto/devrun/v1/access.proto.
#pragma once

#include <string>

#include "controller/rpc/admission.h"
#include "controller/rpc/enrolment.h"
#include "controller/rpc/services.h"
#include "devrun/v1/access.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class AccessService final : public pb::Access::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  // `held`: the calls that end with their caller's account.
  AccessService(Parts parts, Enrolment& enrolment, HeldCalls& held)
      : parts_(parts), enrolment_(enrolment), held_(held) {}
  // HOST:PORT where tokens are good, empty: nobody can be invited. Before the first call.
  void say_where(const std::string& join_address) { join_address_ = join_address; }

  Unary* AddUser(Context*, const pb::AddUserRequest*, pb::UserToken*) override;
  Unary* GiveToken(Context*, const pb::GiveTokenRequest*, pb::UserToken*) override;
  Unary* RemoveUser(Context*, const pb::RemoveUserRequest*, pb::RemoveUserReply*) override;
  Unary* ListUsers(Context*, const pb::ListUsersRequest*, pb::ListUsersReply*) override;
  Unary* ChangeGroups(Context*, const pb::ChangeGroupsRequest*, pb::UserInfo*) override;
  Unary* ChangeSiteIdentity(Context*, const pb::ChangeSiteIdentityRequest*, pb::UserInfo*) override;
  Unary* ShareVolume(Context*, const pb::ShareVolumeRequest*, pb::VolumeInfo*) override;

 private:
  Status check_can_join() const;
  Status invite(const std::string& name, const UserAccount& account, Duration valid,
                pb::UserToken& reply);
  Status add_user(const pb::AddUserRequest& request, pb::UserToken& reply);
  Status give_token(const pb::GiveTokenRequest& request, pb::UserToken& reply);
  Status remove_user(const std::string& name, pb::RemoveUserReply& reply);
  Status share(const Who& who, const pb::ShareVolumeRequest& request, pb::VolumeInfo& reply);
  Result<std::vector<std::string>> volumes_of(const std::string& name);
  std::vector<JobId> live_jobs_of(const std::string& name);

  Parts parts_;
  Enrolment& enrolment_;
  HeldCalls& held_;
  std::string join_address_;
};

}  // namespace devrun::controller
