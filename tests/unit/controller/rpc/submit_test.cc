// What is refused, in which words, and that nothing of it remains; volumes.
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

TEST(Submit, BadInputIsRefusedWhole) {
  TestCluster cluster;
  const auto message = [&](const std::function<void(pb::SubmitRequest&)>& change) {
    pb::SubmitRequest bad = request("r");
    change(bad);
    return refused(cluster, bad).message;
  };
  EXPECT_EQ(message([](auto& r) { r.set_request_id("a b"); }),
            "request_id 'a b': expected 1 to 64 letters, digits and dashes");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_program()->clear_argv(); }),
            "there is no command to run");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_program()->set_cwd("src"); }),
            "cwd 'src': expected an absolute path");
  EXPECT_EQ(message([](auto& r) { r.set_env(std::string("A=1\0B\0", 6)); }),
            "environment variable 'B': expected NAME=VALUE");
  EXPECT_EQ(message([](auto& r) { r.set_env("A=" + std::string(1 << 20, 'x')); }),
            "the environment has 1048578 bytes, at most 1048576 can be sent");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_root()->set_volume("wrok"); }),
            "there is no volume 'wrok'; did you mean 'work'?");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_root()->clear_volume(); }),
            "no volume to run in: this is no dev container");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_root()->set_live(true); }),
            "only a dev container runs in the live tree, and it always does");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->add_after_ok(9); }),
            "there is no job 9 to wait for");
  EXPECT_EQ(message([](auto& r) {
              auto& range = *r.mutable_spec()->add_array();
              range.set_first(0);
              range.set_last(100'000);
              range.set_step(1);
            }),
            "the array has 100001 tasks, at most 100000");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_per_node()->set_memory_bytes(1); }),
            "1 B of memory is less than 4.0 MB, the least that a job can have");
  EXPECT_EQ(message([](auto& r) {
              r.mutable_spec()->mutable_per_node()->set_gpus(1);
              r.mutable_spec()->add_alternatives()->set_gpus(2);
            }),
            "alternatives, and what is asked for is none of them");
  EXPECT_EQ(message([](auto& r) {
              for (int i = 0; i < 17; ++i) {
                *r.mutable_spec()->add_alternatives() = r.spec().per_node();
              }
            }),
            "17 alternatives: at most 16, and none of a dev container");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->add_retry_always_on(300); }),
            "status 300 to retry on in any case: expected 1 to 255");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->mutable_several()->set_index(3); }),
            "number 3 of 0 tasks: at most 1024");
  EXPECT_EQ(message([](auto& r) { r.mutable_spec()->set_name("a\nb"); }),
            "the job's name contains control characters: expected one line of text");
  Call call;
  pb::ListJobsReply jobs;
  ASSERT_TRUE(cluster.client()->ListJobs(&call, {}, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
}

TEST(Submit, IfTheSnapshotFailsNothingRuns) {
  TestCluster cluster;
  cluster.volumes().snapshots_fail = true;
  const Error error = refused(cluster, request("r"));
  EXPECT_EQ(
      error.message,
      "nothing was run, since no snapshot of volume 'work' could be taken: the store is full");
  EXPECT_EQ(error.hint, "df -h");
  EXPECT_EQ(error.code, Code::kExhausted);
}

TEST(Submit, AJobWhoseSetupRunsOnceIsHeldToTheOneTypeOfGpuThatThereIs) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  auto& gpu = *agent.hello.add_gpus();
  gpu.set_type("H100");
  agent.hello.mutable_total()->set_gpus(1);
  agent.connect();
  const auto client = cluster.client();
  const auto gpu_type_of = [&](const std::string& id, bool with_setup, bool with_choice) {
    pb::SubmitRequest wish = request(id);
    wish.mutable_spec()->mutable_per_node()->set_gpus(1);
    if (with_setup) wish.mutable_spec()->mutable_program()->add_setup("true");
    if (with_choice) {
      *wish.mutable_spec()->add_alternatives() = wish.spec().per_node();
      wish.mutable_spec()->add_alternatives()->set_cpu_milli(1500);
    }
    Call call;
    pb::SubmitReply reply;
    const grpc::Status status = client->Submit(&call, wish, &reply);
    EXPECT_TRUE(status.ok()) << error_of(status).message;
    pb::GetJobRequest get;
    get.set_job(reply.job());
    Call get_call;
    pb::JobInfo info;
    EXPECT_TRUE(client->GetJob(&get_call, get, &info).ok());
    return info.spec().per_node().gpu_type();
  };
  EXPECT_TRUE(eventually([&] {
    Call call;
    pb::ListNodesReply nodes;
    return client->ListNodes(&call, {}, &nodes).ok() && nodes.nodes_size() == 1;
  }));
  EXPECT_EQ(gpu_type_of("plain", false, false), "");
  EXPECT_EQ(gpu_type_of("setup", true, false), "H100");
  EXPECT_EQ(gpu_type_of("choice", true, true), "") << "setup runs in each attempt";
}

TEST(Submit, NoValueOfTheEnvironmentLiesOnDiskInClear) {
  TestCluster cluster;
  Call call;
  pb::SubmitReply reply;
  pb::SubmitRequest secret = request("r");
  secret.set_env(std::string("TOKEN=hunter2hunter2\0", 21));
  ASSERT_TRUE(cluster.client()->Submit(&call, secret, &reply).ok());
  cluster.stop();
  const std::string command = "grep -raq hunter2hunter2 " + cluster.folder();
  EXPECT_NE(std::system(command.c_str()), 0);
}

TEST(Volumes, AreMadeListedAndRemovedUnlessInUse) {
  TestCluster cluster;
  const auto client = cluster.client();
  pb::CreateVolumeRequest create;
  create.set_name("fresh");
  create.set_empty(true);
  Call create_call;
  const auto lines = client->CreateVolume(&create_call, create);
  pb::Progress progress;
  ASSERT_TRUE(lines->Read(&progress));
  EXPECT_EQ(progress.line(), "making it");
  EXPECT_TRUE(progress.passing());
  ASSERT_TRUE(lines->Read(&progress));
  EXPECT_EQ(progress.line(), "making fresh");
  ASSERT_TRUE(lines->Read(&progress));
  EXPECT_TRUE(progress.done());
  EXPECT_TRUE(lines->Finish().ok());

  Call again_call;
  const auto again = client->CreateVolume(&again_call, create);
  while (again->Read(&progress)) {
  }
  EXPECT_EQ(error_of(again->Finish()).code, Code::kExists);
  create.set_folder("/etc");
  Call folder_call;
  const auto folder = client->CreateVolume(&folder_call, create);
  EXPECT_EQ(error_of(folder->Finish()).code, Code::kDenied);

  Call list_call;
  pb::ListVolumesReply volumes;
  ASSERT_TRUE(client->ListVolumes(&list_call, {}, &volumes).ok());
  EXPECT_EQ(volumes.volumes_size(), 2);

  Call submit_call;
  pb::SubmitReply submitted;
  ASSERT_TRUE(client->Submit(&submit_call, request("r1"), &submitted).ok());
  const auto remove = [&](const std::string& name) {
    Call call;
    pb::RemoveVolumeRequest request;
    request.set_name(name);
    pb::RemoveVolumeReply reply;
    const grpc::Status status = client->RemoveVolume(&call, request, &reply);
    return status.ok() ? "" : error_of(status).message;
  };
  EXPECT_EQ(remove("work"), "job 1 waits to run in volume 'work'");
  EXPECT_EQ(remove("fresh"), "");
  EXPECT_EQ(remove("fresh"), "there is no volume 'fresh'");
}

}  // namespace
}  // namespace devrun::controller::testing
