#include "controller/rpc/access_service.h"

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/wire/job.h"
#include "controller/rpc/ask_core.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/live_rights.h"
#include "controller/rpc/snapshot_info.h"
#include "controller/rpc/unary_call.h"
#include "controller/rpc/volume_access.h"

namespace devrun::controller {

namespace {

constexpr Duration kTokenValid = seconds(3600);
constexpr int kJobsNamedMax = 100;

pb::UserInfo user_info(const std::string& name, const UserAccount& account,
                       const Enrolment& enrolment) {
  pb::UserInfo out;
  out.set_name(name);
  out.set_role(std::string(role_name(account.role)));
  out.mutable_groups()->Add(account.groups.begin(), account.groups.end());
  out.set_added_us(account.added.us);
  out.set_certificate_until_us(enrolment.valid_until({account.role, name}).us);
  if (account.site) *out.mutable_site_identity() = wire::to_proto(*account.site);
  return out;
}

Duration valid_of(int64_t us) {
  return us == 0 ? kTokenValid : Duration{us};
}

}  // namespace

Status AccessService::check_can_join() const {
  if (!join_address_.empty() && enrolment_.may_invite()) return ok();
  return Error{Code::kUnsupported,
               "nobody can log in to this cluster: its controller has no port for that",
               "docs/operations.md, Users; devrun up, which opens one"};
}

Result<std::vector<std::string>> AccessService::volumes_of(const std::string& name) {
  std::vector<std::string> out;
  for (const storage::VolumeInfo& volume : TRY(parts_.storage.volumes())) {
    if (volume.owner == name) out.push_back(volume.name);
  }
  return out;
}

Status AccessService::invite(const std::string& name, const UserAccount& account, Duration valid,
                             pb::UserToken& reply) {
  const Enrolment::Invited invited =
      TRY(enrolment_.invite({account.role, name}, valid, clock_now(), Enrolment::Again::kYes));
  reply.set_token(invited.token);
  reply.set_join(join_address_);
  reply.set_until_us(invited.until.us);
  for (const std::string& volume : TRY(volumes_of(name))) reply.add_volumes(volume);
  return ok();
}

Status AccessService::add_user(const pb::AddUserRequest& request, pb::UserToken& reply) {
  TRY(check_can_join());
  const std::string role = request.role().empty() ? "user" : request.role();
  const std::optional<Role> known = role_named(role);
  if (!known) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no role: expected user, admin or read-only", role),
                 {}};
  }
  UserAccount account{*known, {request.groups().begin(), request.groups().end()}, clock_now()};
  if (request.has_site_identity()) account.site = TRY(wire::from_proto(request.site_identity()));
  TRY(parts_.accounts.add(request.name(), account));
  const Status invited = invite(request.name(), account, valid_of(request.valid_us()), reply);
  if (!invited) {
    if (const Status undone = parts_.accounts.remove(request.name()); !undone) {
      log::error("{} stays a user without a token: {}", request.name(), undone.error().message);
    }
  }
  return invited;
}

Status AccessService::give_token(const pb::GiveTokenRequest& request, pb::UserToken& reply) {
  TRY(check_can_join());
  const UserAccount account = TRY(parts_.accounts.find(request.name()));
  TRY(Enrolment::check_valid(valid_of(request.valid_us())));  // before anything is revoked
  if (request.refuse_earlier()) {
    const Certified who{account.role, request.name()};
    TRY(enrolment_.revoke(who, true, clock_now()));
    held_.end_all(certificate_uri(who));
  }
  return invite(request.name(), account, valid_of(request.valid_us()), reply);
}

// The certificates first: should we end in between, the user is still listed, and can be removed again.
Status AccessService::remove_user(const std::string& name, pb::RemoveUserReply& reply) {
  const UserAccount account = TRY(parts_.accounts.find(name));
  const Certified who{account.role, name};
  TRY(enrolment_.revoke(who, true, clock_now()));
  TRY(parts_.accounts.remove(name));
  held_.end_all(certificate_uri(who));
  for (const JobId job : live_jobs_of(name)) {
    held_.end_all(held_name(job));
    if (reply.jobs_size() < kJobsNamedMax) reply.add_jobs(job);
  }
  end_jobs_without_rights(parts_);
  for (const std::string& volume : TRY(volumes_of(name))) reply.add_volumes(volume);
  return ok();
}

// Blocks; the core outlives the workers.
std::vector<JobId> AccessService::live_jobs_of(const std::string& name) {
  return ask_core(parts_.core, [&name](const State& state, Time) {
    std::vector<JobId> out;
    for (const auto& [id, job] : state.jobs) {
      if (!job.outcome && job.spec.user == name) out.push_back(id);
    }
    return out;
  });
}

Status AccessService::share(const Who& who, const pb::ShareVolumeRequest& request,
                            pb::VolumeInfo& reply) {
  storage::Storage& storage = parts_.storage;
  TRY(check_volume(storage, who, request.volume()));
  if (!request.with().empty()) {
    TRY(check_share_name(request.with()));
    std::optional<storage::ShareFor> access;
    if (request.access() == pb::SHARE_FOR_READING) access = storage::ShareFor::kReading;
    if (request.access() == pb::SHARE_FOR_WRITING) access = storage::ShareFor::kWriting;
    if (request.with() == TRY(storage.volume(request.volume())).owner) {
      return Error{Code::kInvalid,
                   fmt::format("volume '{}' is '{}'s own", request.volume(), request.with()),
                   fmt::format("devrun volume share {}", request.volume())};
    }
    TRY(storage.share(request.volume(), request.with(), access));
    end_jobs_without_rights(parts_);
  }
  reply = volume_info(TRY(storage.volume(request.volume())), Level::kOwn);
  return ok();
}

// ── the calls; files are written by a worker ──

grpc::ServerUnaryReactor* AccessService::AddUser(Context* context,
                                                 const pb::AddUserRequest* request,
                                                 pb::UserToken* reply) {
  return on_access_worker(parts_, context, "AddUser",
                          [=, this](const Who&) { return add_user(*request, *reply); });
}

grpc::ServerUnaryReactor* AccessService::GiveToken(Context* context,
                                                   const pb::GiveTokenRequest* request,
                                                   pb::UserToken* reply) {
  return on_access_worker(parts_, context, "GiveToken",
                          [=, this](const Who&) { return give_token(*request, *reply); });
}

grpc::ServerUnaryReactor* AccessService::RemoveUser(Context* context,
                                                    const pb::RemoveUserRequest* request,
                                                    pb::RemoveUserReply* reply) {
  return on_access_worker(parts_, context, "RemoveUser",
                          [=, this](const Who&) { return remove_user(request->name(), *reply); });
}

grpc::ServerUnaryReactor* AccessService::ListUsers(Context* context, const pb::ListUsersRequest*,
                                                   pb::ListUsersReply* reply) {
  const auto running = [=, this](const State& state, const Who&, Time) {
    for (const auto& [name, account] : parts_.accounts.all()) {
      pb::UserInfo& user = *reply->add_users();
      user = user_info(name, account, enrolment_);
      *user.mutable_quota() = running_quota(state, name);
    }
    return ok();
  };
  return on_access_worker(parts_, context, "ListUsers", running, [=, this](const Who&) -> Status {
    const auto store_bytes = store_bytes_by_owner(TRY(parts_.storage.volumes()));
    for (pb::UserInfo& user : *reply->mutable_users()) {
      add_kept(parts_.quotas, store_bytes, *user.mutable_quota());
    }
    return ok();
  });
}

grpc::ServerUnaryReactor* AccessService::ChangeGroups(Context* context,
                                                      const pb::ChangeGroupsRequest* request,
                                                      pb::UserInfo* reply) {
  return on_access_worker(parts_, context, "ChangeGroups", [=, this](const Who&) -> Status {
    const UserAccount changed = TRY(parts_.accounts.change_groups(
        request->name(), {request->join().begin(), request->join().end()},
        {request->leave().begin(), request->leave().end()}));
    if (request->leave_size() > 0) end_jobs_without_rights(parts_);
    *reply = user_info(request->name(), changed, enrolment_);
    return ok();
  });
}

grpc::ServerUnaryReactor* AccessService::ChangeSiteIdentity(
    Context* context, const pb::ChangeSiteIdentityRequest* request, pb::UserInfo* reply) {
  return on_access_worker(parts_, context, "ChangeSiteIdentity", [=, this](const Who&) -> Status {
    std::optional<SiteIdentity> site;
    if (request->has_site_identity()) site = TRY(wire::from_proto(request->site_identity()));
    const UserAccount changed = TRY(parts_.accounts.change_site(request->name(), std::move(site)));
    *reply = user_info(request->name(), changed, enrolment_);
    return ok();
  });
}

grpc::ServerUnaryReactor* AccessService::ShareVolume(Context* context,
                                                     const pb::ShareVolumeRequest* request,
                                                     pb::VolumeInfo* reply) {
  // Behind nothing that takes long: taking a share back is to help at once.
  return on_access_worker(parts_, context, "ShareVolume",
                          [=, this](const Who& who) { return share(who, *request, *reply); });
}

}  // namespace devrun::controller
