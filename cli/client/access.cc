#include "cli/client/access.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "cli/client/call.h"
#include "cli/client/quota_wire.h"
#include "common/wire/job.h"
#include "devrun/v1/access.grpc.pb.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {

constexpr auto kPatience = std::chrono::seconds(60);

template <typename Request, typename Reply>
Result<Reply> called(const Target& target,
                     grpc::Status (pb::Access::Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Reply*),
                     const Request& request) {
  const auto stub = pb::Access::NewStub(open_channel(target));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  Reply reply;
  const grpc::Status status = ((*stub).*method)(&context, request, &reply);
  if (!status.ok()) return call_error(status, target);
  return reply;
}

UserToken from_proto(const pb::UserToken& in) {
  return {in.token(), in.join(), Time{in.until_us()}, {in.volumes().begin(), in.volumes().end()}};
}

Result<UserRecord> from_proto(const pb::UserInfo& in) {
  UserRecord out{in.name(),
                 in.role(),
                 {in.groups().begin(), in.groups().end()},
                 Time{in.added_us()},
                 Time{in.certificate_until_us()},
                 quota_from_proto(in.quota())};
  if (in.has_site_identity()) out.site = TRY(wire::from_proto(in.site_identity()));
  return out;
}

pb::ShareFor to_proto(ShareFor access) {
  switch (access) {
    case ShareFor::kReading:
      return pb::SHARE_FOR_READING;
    case ShareFor::kWriting:
      return pb::SHARE_FOR_WRITING;
    case ShareFor::kNothing:
      break;
  }
  return pb::SHARE_FOR_NOTHING;
}

}  // namespace

Result<UserToken> add_user(const Target& controller, const NewUser& user) {
  pb::AddUserRequest request;
  request.set_name(user.name);
  request.set_role(user.role);
  request.mutable_groups()->Add(user.groups.begin(), user.groups.end());
  request.set_valid_us(user.valid.us);
  if (user.site) *request.mutable_site_identity() = wire::to_proto(*user.site);
  return from_proto(TRY(called(controller, &pb::Access::Stub::AddUser, request)));
}

Result<UserToken> give_token(const Target& controller, const std::string& name, Duration valid,
                             bool refuse_earlier) {
  pb::GiveTokenRequest request;
  request.set_name(name);
  request.set_valid_us(valid.us);
  request.set_refuse_earlier(refuse_earlier);
  return from_proto(TRY(called(controller, &pb::Access::Stub::GiveToken, request)));
}

Result<RemovedUser> remove_user(const Target& controller, const std::string& name) {
  pb::RemoveUserRequest request;
  request.set_name(name);
  const auto reply = TRY(called(controller, &pb::Access::Stub::RemoveUser, request));
  return RemovedUser{{reply.jobs().begin(), reply.jobs().end()},
                     {reply.volumes().begin(), reply.volumes().end()}};
}

Result<std::vector<UserRecord>> list_users(const Target& controller) {
  const auto reply = TRY(called(controller, &pb::Access::Stub::ListUsers, pb::ListUsersRequest()));
  std::vector<UserRecord> out;
  for (const pb::UserInfo& user : reply.users()) out.push_back(TRY(from_proto(user)));
  return out;
}

Result<UserRecord> change_groups(const Target& controller, const std::string& name,
                                 const std::vector<std::string>& join,
                                 const std::vector<std::string>& leave) {
  pb::ChangeGroupsRequest request;
  request.set_name(name);
  request.mutable_join()->Add(join.begin(), join.end());
  request.mutable_leave()->Add(leave.begin(), leave.end());
  return from_proto(TRY(called(controller, &pb::Access::Stub::ChangeGroups, request)));
}

Result<UserRecord> change_site_identity(const Target& controller, const std::string& name,
                                        const std::optional<SiteIdentity>& site) {
  pb::ChangeSiteIdentityRequest request;
  request.set_name(name);
  if (site) *request.mutable_site_identity() = wire::to_proto(*site);
  return from_proto(TRY(called(controller, &pb::Access::Stub::ChangeSiteIdentity, request)));
}

Result<SharesRecord> share_volume(const Target& controller, const std::string& volume,
                                  const std::string& with, ShareFor access) {
  pb::ShareVolumeRequest request;
  request.set_volume(volume);
  request.set_with(with);
  request.set_access(to_proto(access));
  const auto reply = TRY(called(controller, &pb::Access::Stub::ShareVolume, request));
  SharesRecord out{reply.name(), {}};
  for (const pb::Share& share : reply.shares()) {
    out.shares.emplace_back(share.with(),
                            share.access() == pb::SHARE_FOR_WRITING ? "write" : "read");
  }
  return out;
}

}  // namespace devrun::cli
