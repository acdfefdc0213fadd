// Users: how they come, what they see, what is shared with them, how they go; and what the audit log says of it.
#include <algorithm>

#include "common/base/version.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/join_token.h"
#include "devrun/v1/access.grpc.pb.h"
#include "devrun/v1/enrolment.grpc.pb.h"
#include "devrun/v1/monitor.grpc.pb.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

template <typename Stub, typename Request, typename Reply>
Error answer(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
             const Request& request, Reply& reply) {
  Call call;
  const grpc::Status status = (stub.*method)(&call, request, &reply);
  return status.ok() ? Error{Code::kInternal, "", ""} : error_of(status);
}

class Access : public ::testing::Test {
 protected:
  std::unique_ptr<pb::Access::Stub> access(Role role = Role::kAdmin,
                                           const std::string& name = "root") {
    return pb::Access::NewStub(cluster_.channel(role, name));
  }

  pb::UserToken add(const std::string& name, const std::string& role = "") {
    pb::AddUserRequest request;
    request.set_name(name);
    request.set_role(role);
    pb::UserToken token;
    EXPECT_EQ(answer(*access(), &pb::Access::Stub::AddUser, request, token).message, "");
    return token;
  }

  struct Joined {
    Pem pem;
    std::string role, error;
  };
  Joined join(const std::string& token) {
    const auto made = *make_request();
    const auto stub = pb::Joining::NewStub(cluster_.join_channel());
    pb::JoinRequest request;
    request.set_secret(parse_join_token(token)->secret);
    request.set_request(made.request);
    request.set_version(std::string(kVersion));
    pb::JoinReply reply;
    const Error error = answer(*stub, &pb::Joining::Stub::Join, request, reply);
    return {{reply.certificate(), made.key}, reply.role(), error.message};
  }

  std::string hello(const Pem& pem) {
    const auto stub = pb::Client::NewStub(cluster_.channel_with(pem));
    pb::ClientHello request;
    request.set_version(std::string(kVersion));
    pb::ControllerHello reply;
    const Error error = answer(*stub, &pb::Client::Stub::Hello, request, reply);
    return error.message.empty() ? reply.role() + " " + reply.user() : error.message;
  }

  Error remove(const std::string& name, pb::RemoveUserReply* out = nullptr) {
    pb::RemoveUserRequest request;
    request.set_name(name);
    pb::RemoveUserReply reply;
    const Error error = answer(*access(), &pb::Access::Stub::RemoveUser, request, reply);
    if (out != nullptr) *out = reply;
    return error;
  }

  Error share(const std::string& with, pb::ShareFor what, const std::string& by = "ada") {
    pb::ShareVolumeRequest request;
    request.set_volume("work");
    request.set_with(with);
    request.set_access(what);
    pb::VolumeInfo reply;
    return answer(*access(Role::kUser, by), &pb::Access::Stub::ShareVolume, request, reply);
  }

  // A job of that user in `work`.
  Error submit(const std::string& user, const pb::SubmitRequest& wanted, JobId* job = nullptr) {
    pb::SubmitReply reply;
    const Error error =
        answer(*cluster_.client(Role::kUser, user), &pb::Client::Stub::Submit, wanted, reply);
    if (job != nullptr) *job = reply.job();
    return error;
  }

  // By root of job 1's container, whoever the node says that is.
  grpc::Status cancel_from_job_1(const std::string& said_user = {}) {
    pb::CancelJobRequest cancel;
    cancel.set_job(1);
    cancel.set_task(-1);
    pb::CancelJobReply cancelled;
    Call call;
    from_job_1(call);
    if (!said_user.empty()) call.AddMetadata("devrun-forwarded-user", said_user);
    return cluster_.client(Role::kNode, "node1")->CancelJob(&call, cancel, &cancelled);
  }

  // Whatever the node says: from root of job 1's container.
  static void from_job_1(grpc::ClientContext& call) {
    call.AddMetadata("devrun-forwarded-volume", "work");
    call.AddMetadata("devrun-forwarded-job", "1");
    call.AddMetadata("devrun-forwarded-uid", "0");
    call.AddMetadata("devrun-forwarded-gid", "0");
  }

  TestCluster cluster_;
};

TEST_F(Access, ATokenMakesOneUserOfOneKey) {
  const pb::UserToken token = add("dora");
  EXPECT_EQ(token.join(), "ctl:7444");
  const Joined dora = join(token.token());
  ASSERT_EQ(dora.error, "");
  EXPECT_EQ(dora.role, "user");
  EXPECT_EQ(hello(dora.pem), "user dora");
  EXPECT_EQ(join(token.token()).error, "this token has been used, for user 'dora'");

  pb::ListUsersReply users;
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::ListUsers, {}, users).message, "");
  const auto found = std::find_if(users.users().begin(), users.users().end(),
                                  [](const pb::UserInfo& user) { return user.name() == "dora"; });
  ASSERT_NE(found, users.users().end());
  EXPECT_GT(found->certificate_until_us(), found->added_us());

  pb::AddUserRequest again;
  again.set_name("dora");
  pb::UserToken none;
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::AddUser, again, none).code, Code::kExists);
  // Another machine of hers.
  pb::GiveTokenRequest more;
  more.set_name("dora");
  pb::UserToken second;
  ASSERT_EQ(answer(*access(), &pb::Access::Stub::GiveToken, more, second).message, "");
  EXPECT_EQ(hello(join(second.token()).pem), "user dora");
  EXPECT_EQ(hello(dora.pem), "user dora") << "the first one goes on";
  more.set_refuse_earlier(true);
  ASSERT_EQ(answer(*access(), &pb::Access::Stub::GiveToken, more, second).message, "");
  EXPECT_EQ(hello(dora.pem), "the certificate of user 'dora' is revoked");
  EXPECT_EQ(hello(join(second.token()).pem), "user dora");
}

TEST_F(Access, WhoIsRemovedIsRefusedAtOnceAndForGood) {
  const Joined dora = join(add("dora").token());
  const auto monitor = pb::Monitor::NewStub(cluster_.channel_with(dora.pem));
  Call call;
  const auto watch = monitor->Watch(&call, {});
  pb::WatchUpdate update;
  ASSERT_TRUE(watch->Read(&update));

  cluster_.volumes().owners["doras"] = "dora";
  pb::RemoveUserReply removed;
  EXPECT_EQ(remove("dora", &removed).message, "");
  EXPECT_EQ(std::vector(removed.volumes().begin(), removed.volumes().end()),
            std::vector<std::string>{"doras"});
  while (watch->Read(&update)) {
  }
  EXPECT_FALSE(watch->Finish().ok()) << "the open call has ended";
  EXPECT_EQ(hello(dora.pem), "there is no user 'dora' in this cluster");
  EXPECT_EQ(remove("dora").code, Code::kNotFound);

  const Joined second = join(add("dora").token());
  EXPECT_EQ(hello(second.pem), "user dora");
  EXPECT_EQ(hello(dora.pem), "the certificate of user 'dora' is revoked");
  cluster_.stop();
  cluster_.start();
  EXPECT_EQ(hello(second.pem), "user dora");
  EXPECT_EQ(hello(dora.pem), "the certificate of user 'dora' is revoked");
}

TEST_F(Access, AnotherRoleThanTheAccountsIsNobody) {
  const auto as = [&](Role role, const std::string& name) {
    pb::ControllerHello reply;
    pb::ClientHello request;
    request.set_version(std::string(kVersion));
    return answer(*cluster_.client(role, name), &pb::Client::Stub::Hello, request, reply).message;
  };
  EXPECT_EQ(as(Role::kAdmin, "ada"), "there is no admin 'ada' in this cluster");
  EXPECT_EQ(as(Role::kUser, "root"), "there is no user 'root' in this cluster");
  EXPECT_EQ(as(Role::kAdmin, "olga"), "");
  pb::AddUserRequest king;
  king.set_name("x");
  king.set_role("king");
  pb::UserToken token;
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::AddUser, king, token).message,
            "'king' is no role: expected user, admin or read-only");
  king.set_role("node");
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::AddUser, king, token).code, Code::kInvalid);
}

TEST_F(Access, WhatIsSharedForReadingIsReadAndNotChanged) {
  EXPECT_EQ(submit("bob", request("b1")).message, "volume 'work' belongs to 'ada', not to 'bob'");
  EXPECT_EQ(share("bob", pb::SHARE_FOR_READING, "mallory").message,
            "volume 'work' belongs to 'ada', not to 'mallory'");
  EXPECT_EQ(share("bob", pb::SHARE_FOR_READING).message, "");
  JobId job = 0;
  EXPECT_EQ(submit("bob", request("b2"), &job).message, "");
  pb::GetJobRequest get;
  get.set_job(job);
  pb::JobInfo info;
  EXPECT_EQ(
      answer(*cluster_.client(Role::kUser, "bob"), &pb::Client::Stub::GetJob, get, info).message,
      "");
  EXPECT_EQ(info.spec().results(), pb::RESULTS_KEEP) << "nothing comes home";
  EXPECT_EQ(answer(*cluster_.client(), &pb::Client::Stub::GetJob, get, info).code, Code::kNotFound)
      << "the volume's owner has no right to the job";

  const auto refused = [&](const pb::SubmitRequest& wanted) {
    return submit("bob", wanted).message;
  };
  pb::SubmitRequest live = request("b3");
  pb::PathRule& rule = *live.mutable_spec()->add_paths();
  rule.set_path("/data");
  rule.set_kind(pb::PATH_LIVE);
  EXPECT_EQ(
      refused(live),
      "'/data' would be the live folder of volume 'work' of 'ada', which is shared with 'bob' "
      "for reading alone");
  pb::SubmitRequest shell = request("b4");
  shell.mutable_spec()->set_dev_container(true);
  shell.mutable_spec()->mutable_root()->set_live(true);
  EXPECT_EQ(refused(shell), "the dev container of volume 'work' is for 'ada', whose volume it is");
  pb::CreateSnapshotRequest snapshot;
  snapshot.set_volume("work");
  pb::SnapshotInfo taken;
  const auto bob = cluster_.client(Role::kUser, "bob");
  EXPECT_EQ(answer(*bob, &pb::Client::Stub::CreateSnapshot, snapshot, taken).message,
            "volume 'work' of 'ada' is shared with 'bob' for reading alone");
  pb::ListVolumesReply volumes;
  EXPECT_EQ(answer(*bob, &pb::Client::Stub::ListVolumes, {}, volumes).message, "");
  ASSERT_EQ(volumes.volumes_size(), 1);
  EXPECT_EQ(volumes.volumes(0).access(), pb::SHARE_FOR_READING);
  EXPECT_EQ(volumes.volumes(0).shares_size(), 0) << "with whom else is its owner's matter";

  EXPECT_EQ(share("bob", pb::SHARE_FOR_NOTHING).message, "");
  EXPECT_EQ(submit("bob", request("b5")).code, Code::kDenied);
  pb::SubmitRequest again;
  again.set_request_id("b6");
  again.mutable_again()->set_job(job);
  EXPECT_EQ(submit("bob", again).code, Code::kDenied) << "nor by an old job of his own";
}

TEST_F(Access, AGroupIsWhoIsInItNow) {
  EXPECT_EQ(share("@vision", pb::SHARE_FOR_WRITING).message, "");
  JobId job = 0;
  EXPECT_EQ(submit("bob", request("b1"), &job).message, "");
  pb::GetJobRequest get;
  get.set_job(job);
  pb::JobInfo info;
  EXPECT_EQ(
      answer(*cluster_.client(Role::kUser, "bob"), &pb::Client::Stub::GetJob, get, info).message,
      "");
  EXPECT_EQ(info.spec().results(), pb::RESULTS_HOME);
  EXPECT_EQ(submit("carol", request("c1")).code, Code::kDenied);
  pb::ChangeGroupsRequest change;
  change.set_name("carol");
  change.add_join("vision");
  pb::UserInfo user;
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::ChangeGroups, change, user).message, "");
  EXPECT_EQ(submit("carol", request("c2")).message, "");
  change.clear_join();
  change.add_leave("vision");
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::ChangeGroups, change, user).message, "");
  EXPECT_EQ(submit("carol", request("c3")).code, Code::kDenied);
  EXPECT_EQ(share("ada", pb::SHARE_FOR_READING).message, "volume 'work' is 'ada's own");
  EXPECT_EQ(share("@", pb::SHARE_FOR_READING).code, Code::kInvalid);
}

TEST_F(Access, ANodeHearsWhoTheUserIsOnTheSite) {
  FakeAgent agent(cluster_, "node1");
  agent.connect();
  pb::ChangeSiteIdentityRequest change;
  change.set_name("ada");
  change.mutable_site_identity()->set_uid(1234);
  change.mutable_site_identity()->set_gid(0);
  pb::UserInfo user;
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::ChangeSiteIdentity, change, user).code,
            Code::kInvalid);
  change.mutable_site_identity()->set_gid(100);
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::ChangeSiteIdentity, change, user).message, "");
  EXPECT_EQ(user.site_identity().uid(), 1234u);
  ASSERT_EQ(submit("ada", request("a1")).message, "");
  ASSERT_TRUE(agent.wait_desired({1, kNoTask, 0, 1}));
  const auto spec = agent.spec({1, kNoTask, 0, 1});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->site_identity().uid(), 1234u);
  EXPECT_EQ(spec->site_identity().gid(), 100u);
  change.clear_site_identity();
  EXPECT_EQ(answer(*access(), &pb::Access::Stub::ChangeSiteIdentity, change, user).message, "");
  EXPECT_FALSE(user.has_site_identity());
}

TEST_F(Access, TheContainersOfARemovedUserAreRefused) {
  FakeAgent agent(cluster_, "node1");
  agent.connect();
  ASSERT_EQ(submit("ada", request("a1")).message, "");
  ASSERT_TRUE(agent.wait_desired({1, kNoTask, 0, 1}));
  const auto inside = [&] {
    const auto node = cluster_.client(Role::kNode, "node1");
    Call call;
    from_job_1(call);
    pb::ListJobsReply jobs;
    const grpc::Status status = node->ListJobs(&call, {}, &jobs);
    return status.ok() ? "" : error_of(status).message;
  };
  EXPECT_EQ(inside(), "");
  const auto monitor = pb::Monitor::NewStub(cluster_.channel(Role::kNode, "node1"));
  Call standing;
  from_job_1(standing);
  const auto watch = monitor->Watch(&standing, pb::WatchRequest());
  pb::WatchUpdate page;
  ASSERT_TRUE(watch->Read(&page));
  pb::RemoveUserReply removed;
  EXPECT_EQ(remove("ada", &removed).message, "");
  ASSERT_EQ(removed.jobs_size(), 1);
  EXPECT_EQ(removed.jobs(0), 1u);
  EXPECT_EQ(inside(), "'ada' is no user of this cluster any more");
  while (watch->Read(&page)) {
  }
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED) << "not by its deadline";

  add("ada", "read-only");
  EXPECT_EQ(inside(), "");
  EXPECT_EQ(error_of(cancel_from_job_1()).message, "CancelJob is not for 'ada', who may only look");
}

TEST_F(Access, TheAuditLogTakesNoNodesWordForTheUser) {
  FakeAgent agent(cluster_, "node1");
  agent.connect();
  ASSERT_EQ(submit("ada", request("a1")).message, "");
  ASSERT_TRUE(agent.wait_desired({1, kNoTask, 0, 1}));
  ASSERT_TRUE(cancel_from_job_1("bob").ok());
  ASSERT_TRUE(eventually([&] { return cluster_.audit().size() == 2; }));
  const std::string line = cluster_.audit()[1];
  EXPECT_NE(line.find(R"("who":"ada","role":"container")"), std::string::npos) << line;
  EXPECT_EQ(line.find("bob"), std::string::npos) << line;
}

// Whoever is refused for ever pushes out nothing of what was done.
TEST_F(Access, ACallThatLastsIsWrittenDownAtItsBeginningOnceItsCallerMayMakeIt) {
  ASSERT_EQ(submit("ada", request("a1")).message, "");
  ASSERT_TRUE(eventually([&] { return cluster_.audit().size() == 1; }));
  const auto bob = cluster_.client(Role::kUser, "bob");
  {
    Call call;
    pb::RestoreSnapshotRequest request;
    request.mutable_name()->set_volume("work");
    request.mutable_name()->set_snapshot("1");
    pb::Progress words;
    const auto stream = bob->RestoreSnapshot(&call, request);
    while (stream->Read(&words)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  {
    Call call;
    pb::AttachRequest request;
    request.mutable_start()->set_job(1);
    request.mutable_start()->set_task(-1);
    request.mutable_start()->set_write_stdin(true);
    const auto stream = bob->Attach(&call);
    stream->Write(request);
    pb::AttachReply words;
    while (stream->Read(&words)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
  }
  ASSERT_TRUE(eventually([&] { return cluster_.audit("audit-refused.jsonl").size() == 2; }));
  EXPECT_EQ(cluster_.audit().size(), 1u);
  for (const std::string& line : cluster_.audit("audit-refused.jsonl")) {
    EXPECT_EQ(line.find("begun"), std::string::npos) << line;
    EXPECT_NE(line.find(R"("who":"bob")"), std::string::npos) << line;
  }
  Call call;
  pb::AttachRequest request;
  request.mutable_start()->set_job(1);
  request.mutable_start()->set_task(-1);
  request.mutable_start()->set_write_stdin(true);
  const auto stream = cluster_.client(Role::kUser, "ada")->Attach(&call);
  stream->Write(request);
  ASSERT_TRUE(eventually([&] { return cluster_.audit().size() == 2; }));
  const std::string line = cluster_.audit().back();
  EXPECT_NE(line.find(R"("who":"ada")"), std::string::npos) << line;
  EXPECT_NE(line.find("begun"), std::string::npos) << line;
  call.TryCancel();
  (void)stream->Finish();
  EXPECT_TRUE(eventually([&] { return cluster_.audit().size() == 3; }));
}

TEST_F(Access, WhoOnlyLooksSeesAllRows) {
  ASSERT_EQ(submit("ada", request("a1")).message, "");
  const auto rita = cluster_.client(Role::kReader, "rita");
  pb::ListJobsRequest all;
  all.set_all(true);
  pb::ListJobsReply jobs;
  EXPECT_EQ(answer(*rita, &pb::Client::Stub::ListJobs, all, jobs).message, "");
  EXPECT_EQ(jobs.jobs_size(), 1);
  pb::ListVolumesReply volumes;
  EXPECT_EQ(answer(*rita, &pb::Client::Stub::ListVolumes, {}, volumes).message, "");
  EXPECT_EQ(volumes.volumes_size(), 1);
  pb::SubmitReply submitted;
  EXPECT_EQ(answer(*rita, &pb::Client::Stub::Submit, request("e1"), submitted).message,
            "Submit is not for read-only 'rita'");
}

TEST_F(Access, EveryChangeHasItsLineAndNoSecretIsInOne) {
  ASSERT_EQ(submit("ada", request("a1", {"train", "--password=x"})).message, "");
  pb::CancelJobRequest cancel;
  cancel.set_job(1);
  cancel.set_task(-1);
  pb::CancelJobReply cancelled;
  EXPECT_EQ(
      answer(*cluster_.client(Role::kUser, "bob"), &pb::Client::Stub::CancelJob, cancel, cancelled)
          .code,
      Code::kNotFound);
  pb::ListJobsReply jobs;
  EXPECT_EQ(answer(*cluster_.client(), &pb::Client::Stub::ListJobs, {}, jobs).message, "");
  const pb::UserToken token = add("dora");

  // A line is written once its call has been answered.
  ASSERT_TRUE(eventually([&] {
    return cluster_.audit().size() == 2 && cluster_.audit("audit-refused.jsonl").size() == 1;
  }));
  std::vector<std::string> lines = cluster_.audit();
  lines.insert(lines.begin() + 1, cluster_.audit("audit-refused.jsonl").front());
  const auto has = [&](size_t line, std::string_view part) {
    EXPECT_NE(lines[line].find(part), std::string::npos) << part << " in " << lines[line];
  };
  has(0, R"("who":"ada","role":"user","from":"ipv4:127.0.0.1:)");
  has(0, R"("call":"Submit")");
  has(0, R"("spec.root.volume":"work")");
  has(0, R"("spec.program.argv":["train","…"])");
  has(0, R"("job":1)");
  has(0, R"("result":"ok")");
  has(1, R"("who":"bob")");
  has(1, R"("about":{"job":1,"task":-1},"result":"failed","error":"there is no job 1")");
  has(2, R"("who":"root","role":"admin")");
  has(2, R"("call":"AddUser","about":{"name":"dora"},"result":"ok")");
  for (const std::string& line : lines) {
    for (const std::string& secret :
         {std::string("SECRET"), std::string("password"), token.token()}) {
      EXPECT_EQ(line.find(secret), std::string::npos) << line;
    }
  }
}

}  // namespace
}  // namespace devrun::controller::testing
