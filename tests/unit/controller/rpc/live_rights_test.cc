// What may be done to a volume while a job runs or its results come, when that was granted before.
#include "controller/rpc/live_rights.h"

#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

template <typename Request, typename Reply>
std::string answer(pb::Client::Stub& stub,
                   grpc::Status (pb::Client::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Reply*),
                   const Request& request, Reply& reply) {
  Call call;
  const grpc::Status status = (stub.*method)(&call, request, &reply);
  return status.ok() ? std::string() : error_of(status).message;
}

// Nodes know volumes by name, and a name may be another volume's by the time at which a job begins.
TEST(LiveRights, ALiveFolderIsOfTheVolumeThatWasAskedForAndNotOfItsName) {
  TestCluster cluster;
  Volumes& volumes = cluster.volumes();
  {
    const std::lock_guard lock(volumes.mutex);
    volumes.owners["bobs"] = volumes.owners["other"] = "bob";
    volumes.made["other"] = Time{1};
  }
  pb::SubmitRequest wanted = request("b1");
  wanted.mutable_spec()->mutable_root()->set_volume("bobs");
  pb::PathRule& rule = *wanted.mutable_spec()->add_paths();
  rule.set_path("/x");
  rule.set_kind(pb::PATH_LIVE);
  rule.set_volume("other");
  (*wanted.mutable_spec()->mutable_live_volumes())["other"] = 2;  // is not the caller's to say
  const auto bob = cluster.client(Role::kUser, "bob");
  pb::SubmitReply submitted;
  EXPECT_EQ(answer(*bob, &pb::Client::Stub::Submit, wanted, submitted), "");
  const JobId waits = submitted.job();
  pb::RemoveVolumeRequest remove;
  remove.set_name("other");
  pb::RemoveVolumeReply removed;
  EXPECT_EQ(answer(*bob, &pb::Client::Stub::RemoveVolume, remove, removed),
            "job 1 of 'bob' has a folder of volume 'other' live");

  // However it has come to be another one: even of the same owner.
  {
    const std::lock_guard lock(volumes.mutex);
    volumes.made["other"] = Time{2};
  }
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const AttemptKey key{waits, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  const pb::AttemptSpec spec = *agent.spec(key);
  for (const pb::PathRule& told : spec.paths()) {
    EXPECT_NE(told.volume(), "other") << "the node is not told where it is";
    EXPECT_EQ(told.volume(), told.kind() == pb::PATH_LIVE ? ".none" : "");
  }
  EXPECT_TRUE(eventually([&] { return agent.desired(key)->stop(); }));
  agent.report(key, Phase::kEnded, Ending{EndCause::kNotStarted, 125, "", ""});
  pb::GetJobRequest get;
  get.set_job(waits);
  pb::JobInfo info;
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(answer(*bob, &pb::Client::Stub::GetJob, get, info), "");
    return info.state() == pb::CANCELLED;
  }));
  EXPECT_NE(info.DebugString().find("what has that name now is another one"), std::string::npos)
      << info.DebugString();
  EXPECT_EQ(answer(*bob, &pb::Client::Stub::RemoveVolume, remove, removed), "");
}

TEST(LiveRights, WhoMayNotWriteAVolumeAnyMoreBringsNothingHomeIntoIt) {
  TestCluster cluster;
  const storage::VolumeInfo work{.name = "work",
                                 .owner = "ada",
                                 .driver = "memory",
                                 .created = {},
                                 .newest = {},
                                 .shares = {{"bob", storage::ShareFor::kWriting},
                                            {"rita", storage::ShareFor::kWriting},
                                            {"nobody", storage::ShareFor::kWriting}}};
  const auto accounts = Accounts::open(cluster.folder() + "/state/accounts.json");
  ASSERT_TRUE(accounts) << accounts.error().message;
  EXPECT_TRUE(may_write(**accounts, "bob", work));
  EXPECT_TRUE(may_write(**accounts, "ada", work));
  EXPECT_FALSE(may_write(**accounts, "rita", work)) << "she may only look by now";
  EXPECT_FALSE(may_write(**accounts, "nobody", work)) << "removed";
  EXPECT_FALSE(may_write(**accounts, "carol", work));
}

}  // namespace
}  // namespace devrun::controller::testing
