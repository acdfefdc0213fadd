// Who may do what: by certificate, and by what a node forwards from its containers.
#include "common/base/version.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

Error hello(pb::Client::Stub& stub, const std::map<std::string, std::string>& metadata = {},
            pb::ControllerHello* reply = nullptr) {
  Call call;
  for (const auto& [name, value] : metadata) call.AddMetadata(name, value);
  pb::ClientHello request;
  request.set_version(std::string(kVersion));
  pb::ControllerHello ignored;
  const grpc::Status status = stub.Hello(&call, request, reply != nullptr ? reply : &ignored);
  return status.ok() ? Error{Code::kInternal, "", ""} : error_of(status);
}

std::map<std::string, std::string> forwarded(const std::string& volume, JobId job, int uid = 0) {
  return {{"devrun-forwarded-volume", volume},
          {"devrun-forwarded-job", std::to_string(job)},
          {"devrun-forwarded-uid", std::to_string(uid)},
          {"devrun-forwarded-gid", std::to_string(uid)}};
}

TEST(Identity, HelloSaysWhoTheCallerIs) {
  TestCluster cluster;
  pb::ControllerHello reply;
  EXPECT_EQ(hello(*cluster.client(), {}, &reply).message, "");
  EXPECT_EQ(reply.role(), "user");
  EXPECT_EQ(reply.user(), "ada");
  EXPECT_EQ(hello(*cluster.client(Role::kAdmin, "root"), {}, &reply).message, "");
  EXPECT_EQ(reply.role(), "admin");
}

TEST(Identity, WithoutACertificateOfTheAuthorityThereIsNoConversation) {
  TestCluster cluster;
  const Pem foreign = *make_authority("foreign", 1);
  EXPECT_EQ(hello(*pb::Client::NewStub(cluster.channel_with(
                      *issue_certificate(foreign, {Role::kAdmin, "root"}, {}, 1))))
                .code,
            Code::kUnavailable);
  EXPECT_EQ(hello(*pb::Client::NewStub(cluster.channel_with({}))).code, Code::kUnavailable);
}

TEST(Identity, AnotherVersionIsTold) {
  TestCluster cluster;
  Call call;
  pb::ClientHello request;
  request.set_version("9.9.9");
  pb::ControllerHello reply;
  EXPECT_EQ(error_of(cluster.client()->Hello(&call, request, &reply)).code, Code::kUnsupported);
}

TEST(Identity, UsersAreNoNodesAndNodesNoUsers) {
  TestCluster cluster;
  const auto as_user = pb::Agent::NewStub(cluster.channel(Role::kUser, "ada"));
  Call call;
  pb::ReportRequest report;
  report.set_node("ada");
  pb::ReportReply reply;
  EXPECT_EQ(error_of(as_user->Report(&call, report, &reply)).code, Code::kDenied);
  EXPECT_EQ(hello(*cluster.client(Role::kNode, "node1")).code, Code::kDenied);
  EXPECT_EQ(hello(*cluster.client(Role::kController, "controller")).code, Code::kDenied);
  EXPECT_EQ(hello(*cluster.client(), forwarded("work", 1)).code, Code::kDenied)
      << "users forward nothing";
}

TEST(Identity, ANodeSpeaksForItselfAlone) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.hello.set_name("node2");
  Call call;
  pb::SynchronizeRequest request;
  *request.mutable_hello() = agent.hello;
  const auto reader = agent.stub().Synchronize(&call, request);
  pb::DesiredState state;
  EXPECT_FALSE(reader->Read(&state));
  const Error error = error_of(reader->Finish());
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_EQ(error.message, "the certificate is for node 'node1', not for 'node2'");
}

TEST(Identity, OnlyAdministratorsDeclareNodesLost) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  pb::DeclareNodeLostRequest request;
  request.set_node("node1");
  pb::DeclareNodeLostReply reply;
  Call first;
  EXPECT_EQ(error_of(cluster.client()->DeclareNodeLost(&first, request, &reply)).code,
            Code::kDenied);
  const auto admin = cluster.client(Role::kAdmin, "root");
  Call second;
  EXPECT_EQ(error_of(admin->DeclareNodeLost(&second, request, &reply)).code, Code::kConflict);
  agent.disconnect();
  EXPECT_TRUE(eventually([&] {
    Call again;
    return admin->DeclareNodeLost(&again, request, &reply).ok();
  })) << "once it is not connected";
  request.set_node("nod1");
  Call third;
  EXPECT_EQ(error_of(admin->DeclareNodeLost(&third, request, &reply)).message,
            "there is no node 'nod1'; did you mean 'node1'?");
}

TEST(Identity, WhatANodeForwardsIsBelievedWhileItRunsThatJob) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const auto node = cluster.client(Role::kNode, "node1");
  EXPECT_EQ(hello(*node, forwarded("work", 1)).code, Code::kDenied);
  {
    Call call;
    pb::SubmitReply submitted;
    ASSERT_TRUE(cluster.client()->Submit(&call, request("r1"), &submitted).ok());
  }
  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  pb::ControllerHello reply;
  EXPECT_EQ(hello(*node, forwarded("work", 1), &reply).message, "");
  EXPECT_EQ(reply.user(), "ada");
  EXPECT_EQ(reply.volume(), "work");
  EXPECT_EQ(reply.job(), 1u);
  EXPECT_EQ(hello(*node, forwarded("other", 1)).code, Code::kDenied);
  EXPECT_EQ(hello(*cluster.client(Role::kNode, "node2"), forwarded("work", 1)).code, Code::kDenied);
  auto broken = forwarded("work", 1);
  broken["devrun-forwarded-uid"] = "0x";
  EXPECT_EQ(hello(*node, broken).code, Code::kInvalid);

  // Inside a job its own tree is the snapshot, and nobody becomes root.
  const auto submit = [&](int uid, uint32_t as, uint32_t group = 30) {
    Call call;
    for (const auto& [name, value] : forwarded("work", 1, uid)) call.AddMetadata(name, value);
    call.AddMetadata("devrun-forwarded-groups", "20,30");
    pb::SubmitRequest inner = request("inner");
    inner.mutable_spec()->mutable_root()->clear_volume();
    inner.mutable_spec()->mutable_program()->mutable_caller()->set_uid(as);
    inner.mutable_spec()->mutable_program()->mutable_caller()->set_gid(as);
    inner.mutable_spec()->mutable_program()->mutable_caller()->add_groups(group);
    pb::SubmitReply submitted;
    const grpc::Status status = node->Submit(&call, inner, &submitted);
    return status.ok() ? "" : error_of(status).message;
  };
  EXPECT_EQ(submit(1000, 0), "user 1000:1000 cannot submit as 0:0");
  EXPECT_EQ(submit(1000, 1000, 0), "user 1000:1000 cannot submit as a member of group 0");
  EXPECT_EQ(submit(0, 0, 7), "");
  const uint64_t before = cluster.volumes().snapshots_taken;
  EXPECT_EQ(submit(1000, 1000), "");
  EXPECT_EQ(cluster.volumes().snapshots_taken, before);

  agent.report(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  EXPECT_EQ(hello(*node, forwarded("work", 1)).code, Code::kDenied);
}

TEST(Identity, OtherUsersJobsAndVolumesAreNotThere) {
  TestCluster cluster;
  {
    Call call;
    pb::SubmitReply submitted;
    ASSERT_TRUE(cluster.client()->Submit(&call, request("r1"), &submitted).ok());
  }
  const auto bob = cluster.client(Role::kUser, "bob");
  pb::GetJobRequest get;
  get.set_job(1);
  pb::JobInfo job;
  Call get_call;
  EXPECT_EQ(error_of(bob->GetJob(&get_call, get, &job)).message, "there is no job 1");
  pb::CancelJobRequest cancel;
  cancel.set_job(1);
  cancel.set_task(-1);
  pb::CancelJobReply cancelled;
  Call cancel_call;
  EXPECT_EQ(error_of(bob->CancelJob(&cancel_call, cancel, &cancelled)).code, Code::kNotFound);
  Call submit_call;
  pb::SubmitReply submitted;
  EXPECT_EQ(error_of(bob->Submit(&submit_call, request("r2"), &submitted)).message,
            "volume 'work' belongs to 'ada', not to 'bob'");
  Call list_call;
  pb::ListJobsReply jobs;
  ASSERT_TRUE(bob->ListJobs(&list_call, {}, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
  Call all_call;
  pb::ListJobsRequest all;
  all.set_all(true);
  ASSERT_TRUE(cluster.client(Role::kAdmin, "root")->ListJobs(&all_call, all, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 1);
}

}  // namespace
}  // namespace devrun::controller::testing
