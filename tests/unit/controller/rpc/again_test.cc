// Kinds of paths as a submission gets them, and jobs that are run again.
#include "common/wire/job.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

Error refused(TestCluster& cluster, const pb::SubmitRequest& request) {
  Call call;
  pb::SubmitReply reply;
  const grpc::Status status = cluster.client()->Submit(&call, request, &reply);
  EXPECT_FALSE(status.ok());
  return error_of(status);
}

JobId submit(TestCluster& cluster, const pb::SubmitRequest& request) {
  Call call;
  pb::SubmitReply reply;
  const grpc::Status status = cluster.client()->Submit(&call, request, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return reply.job();
}

JobSpec spec_of(TestCluster& cluster, JobId job) {
  Call call;
  pb::GetJobRequest request;
  request.set_job(job);
  pb::JobInfo info;
  EXPECT_TRUE(cluster.client()->GetJob(&call, request, &info).ok());
  return *wire::from_proto(info.spec());
}

pb::SubmitRequest with_home(const std::string& id) {
  pb::SubmitRequest out = request(id);
  out.mutable_spec()->mutable_program()->mutable_caller()->set_home("/root");
  out.mutable_spec()->mutable_program()->set_cwd("/srv/proj");
  return out;
}

TEST(Paths, AJobGetsTheDefaultsTheVolumesTheSitesAndItsOwn) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.hello.add_site_paths("/datasets");
  agent.hello.add_site_paths("not a path");
  agent.connect();
  cluster.volumes().paths["work"] = {{"/srv/proj/cache", {}, PathKind::kNode},
                                     {"/root/data", {}, PathKind::kKept}};
  pb::SubmitRequest wanted = with_home("r1");
  *wanted.mutable_spec()->add_paths() = wire::to_proto(PathRule{"/root/data", {}, PathKind::kLive});
  wanted.mutable_spec()->set_results(pb::RESULTS_KEEP);
  const JobSpec spec = spec_of(cluster, submit(cluster, wanted));
  EXPECT_EQ(kind_of_path(spec.paths, "/root/x"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(spec.paths, "/srv/proj/x"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(spec.paths, "/srv/proj/cache/x"), PathKind::kNode);
  EXPECT_EQ(kind_of_path(spec.paths, "/root/data/x"), PathKind::kLive);
  EXPECT_EQ(kind_of_path(spec.paths, "/datasets/x"), PathKind::kSite);
  EXPECT_EQ(kind_of_path(spec.paths, "/usr/x"), PathKind::kKept);
  EXPECT_EQ(spec.results, Results::kKeep);
  ASSERT_TRUE(agent.wait_desired({1, kNoTask, 0, 1}));
  EXPECT_EQ(agent.spec({1, kNoTask, 0, 1})->paths_size(), static_cast<int>(spec.paths.size()));
}

TEST(Paths, WhoseFolderIsTheSitesIsToldOnce) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.hello.add_site_paths("/srv");
  agent.hello.add_site_paths("/srv/proj");
  agent.connect();
  const auto client = cluster.client();
  const auto told = [&](const std::string& id, const std::string& cwd, bool listens) {
    pb::SubmitRequest wanted = with_home(id);
    wanted.mutable_spec()->mutable_program()->set_cwd(cwd);
    wanted.set_tell_site(listens);
    Call call;
    pb::SubmitReply reply;
    EXPECT_TRUE(client->Submit(&call, wanted, &reply).ok());
    return reply.site();
  };
  EXPECT_EQ(told("r1", "/srv/proj/a", false), "");
  EXPECT_EQ(told("r2", "/root", true), "");
  EXPECT_EQ(told("r3", "/srv/proj/a", true), "/srv/proj");
  EXPECT_EQ(told("r4", "/srv/proj/b", true), "") << "once";
  EXPECT_EQ(told("r5", "/srv", true), "/srv") << "another mount";
  // Its folder is not home besides.
  const JobSpec spec = spec_of(cluster, 3);
  EXPECT_EQ(kind_of_path(spec.paths, "/srv/proj/a/x"), PathKind::kSite);
}

TEST(Paths, OnlyLivePathsCanBeAskedFor) {
  TestCluster cluster;
  const auto message = [&](const PathRule& rule) {
    pb::SubmitRequest bad = with_home("r");
    *bad.mutable_spec()->add_paths() = wire::to_proto(rule);
    return refused(cluster, bad).message;
  };
  EXPECT_EQ(message({"/usr", {}, PathKind::kHome}),
            "spec.paths: '/usr' is home: a submission asks for live and bound paths alone");
  EXPECT_EQ(message({"/", {}, PathKind::kLive}),
            "live path '/': it cannot be all of the volume: choose a folder in it");
  EXPECT_EQ(message({"/a/../b", {}, PathKind::kLive}),
            "live path '/a/../b': expected an absolute path without '.', '..' or '//'");
}

TEST(Paths, AreSetAndUnsetForAVolume) {
  TestCluster cluster;
  const auto client = cluster.client();
  pb::SetVolumePathsRequest request;
  request.set_volume("work");
  request.set_home("/root");
  *request.add_set() = wire::to_proto(PathRule{"/data", {}, PathKind::kHome});
  *request.add_set() = wire::to_proto(PathRule{"/", "out", PathKind::kHome});
  pb::VolumePaths reply;
  Call first;
  ASSERT_TRUE(client->SetVolumePaths(&first, request, &reply).ok());
  EXPECT_EQ(reply.set_size(), 2);
  EXPECT_GT(reply.defaults_size(), 5);
  request.mutable_set()->DeleteSubrange(0, 1);
  request.mutable_set(0)->set_kind(pb::PATH_KEPT);
  *request.add_unset() = wire::to_proto(PathRule{"/data", {}, PathKind::kKept});
  reply.Clear();
  Call second;
  ASSERT_TRUE(client->SetVolumePaths(&second, request, &reply).ok());
  ASSERT_EQ(reply.set_size(), 1);
  EXPECT_EQ(reply.set(0).kind(), pb::PATH_KEPT);
  Call third;
  const grpc::Status gone = client->SetVolumePaths(&third, request, &reply);
  EXPECT_EQ(error_of(gone).message, "nobody has set a kind for '/data'");
  const PathRules wanted = {{"/", "out", PathKind::kKept}};
  EXPECT_EQ(cluster.volumes().paths["work"], wanted);
  Call denied;
  const grpc::Status foreign =
      cluster.client(Role::kUser, "bob")->SetVolumePaths(&denied, request, &reply);
  EXPECT_EQ(error_of(foreign).code, Code::kDenied);
}

TEST(Again, TheSameSnapshotAndEnvironmentAsANewJob) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  pb::SubmitRequest first = with_home("r1");
  first.mutable_spec()->set_priority(7);
  submit(cluster, first);
  pb::SubmitRequest again;
  again.set_request_id("r2");
  again.mutable_again()->set_job(1);
  EXPECT_EQ(submit(cluster, again), 2u);
  EXPECT_EQ(submit(cluster, again), 2u);
  JobSpec before = spec_of(cluster, 1);
  EXPECT_EQ(spec_of(cluster, 2), before);
  EXPECT_EQ(before.priority, 7);
  EXPECT_EQ(cluster.volumes().snapshots_taken, 1u);
  ASSERT_TRUE(agent.wait_desired({2, kNoTask, 0, 1}));
  EXPECT_EQ(agent.spec({2, kNoTask, 0, 1})->env(), first.env());

  again.set_request_id("r3");
  again.mutable_spec()->mutable_program()->add_argv("other");
  submit(cluster, again);
  EXPECT_EQ(spec_of(cluster, 3).program.argv, std::vector<std::string>{"other"});
}

TEST(Again, WhatCannotBe) {
  TestCluster cluster;
  pb::SubmitRequest array = with_home("r1");
  auto& range = *array.mutable_spec()->add_array();
  range.set_last(3);
  range.set_step(1);
  submit(cluster, array);
  pb::SubmitRequest again;
  again.set_request_id("r2");
  again.mutable_again()->set_job(9);
  EXPECT_EQ(refused(cluster, again).message, "there is no job 9");
  again.mutable_again()->set_job(1);
  again.mutable_again()->set_task(4);
  EXPECT_EQ(refused(cluster, again).message, "job 1 has no task 4");
  again.mutable_again()->set_task(3);
  again.set_env(std::string("A=b\0", 4));
  EXPECT_EQ(refused(cluster, again).message,
            "a job that is run again has that job's environment and snapshot");
  again.clear_env();
  const JobSpec one = spec_of(cluster, submit(cluster, again));
  ASSERT_EQ(one.array.size(), 1u);
  EXPECT_EQ(one.array[0], (ArrayRange{3, 3, 1}));
  cluster.volumes().snapshots_are_gone = true;
  again.set_request_id("r3");
  EXPECT_EQ(refused(cluster, again).message, "the snapshot of job 1 is kept no more");
  EXPECT_EQ(cluster.volumes().snapshots_taken, 1u);
}

}  // namespace
}  // namespace devrun::controller::testing
