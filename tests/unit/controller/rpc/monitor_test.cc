// Watching: everything first, then what changes; going on after a break; who sees what. The queue, samples and use.
#include "controller/rpc/watch_call.h"
#include "devrun/v1/monitor.grpc.pb.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

JobId submit(TestCluster& cluster, const std::string& id, const std::string& user = "ada") {
  Call call;
  pb::SubmitReply reply;
  const grpc::Status done = cluster.client(Role::kUser, user)->Submit(&call, request(id), &reply);
  EXPECT_TRUE(done.ok()) << done.error_message();
  return reply.job();
}

// What a watcher knows after the updates that it has read.
class Watcher {
 public:
  Watcher(TestCluster& cluster, const pb::WatchRequest& wish, Role role = Role::kUser,
          const std::string& user = "ada")
      : stub_(pb::Monitor::NewStub(cluster.channel(role, user))),
        reader_(stub_->Watch(&call_, wish)) {}
  ~Watcher() {
    call_.TryCancel();
    while (reader_->Read(&update)) {
    }
    static_cast<void>(reader_->Finish());
  }

  bool read() {
    if (!reader_->Read(&update)) return false;
    if (update.whole()) jobs.clear();
    for (const uint64_t gone : update.gone()) jobs.erase(gone);
    for (const std::string& bytes : update.jobs()) {
      pb::JobInfo job;
      EXPECT_TRUE(job.ParseFromString(bytes));
      jobs[job.job()] = job;
    }
    for (const std::string& bytes : update.nodes()) {
      pb::NodeInfo node;
      EXPECT_TRUE(node.ParseFromString(bytes));
      nodes[node.hello().name()] = node;
    }
    for (const pb::NodeSample& load : update.loads()) loads[load.node()] = load;
    return true;
  }
  bool read_until(const std::function<bool()>& condition) {
    while (!condition()) {
      if (!read()) return false;
    }
    return true;
  }

  pb::WatchUpdate update;
  std::map<JobId, pb::JobInfo> jobs;
  std::map<std::string, pb::NodeInfo> nodes;
  std::map<std::string, pb::NodeSample> loads;

 private:
  Call call_;
  std::unique_ptr<pb::Monitor::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<pb::WatchUpdate>> reader_;
};

// As one asks who has read a first update and went away.
pb::WatchRequest where_one_stopped(TestCluster& cluster) {
  Watcher watcher(cluster, {});
  EXPECT_TRUE(watcher.read());
  pb::WatchRequest wish;
  wish.set_epoch(watcher.update.epoch());
  wish.set_sequence(watcher.update.sequence());
  return wish;
}

TEST(Watch, TellsAllFirstAndThenWhatChanges) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const JobId job = submit(cluster, "r1");
  Watcher watcher(cluster, {});
  ASSERT_TRUE(watcher.read());
  EXPECT_TRUE(watcher.update.whole());
  EXPECT_EQ(watcher.jobs.size(), 1u);
  EXPECT_EQ(watcher.nodes["node1"].attempts(), 1u);
  const AttemptKey key{job, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  const uint64_t before = watcher.update.sequence();
  agent.report(key, Phase::kEnded, Ending{EndCause::kExited, 4, "", ""});
  EXPECT_TRUE(watcher.read_until([&] {
    return watcher.jobs[job].ending().status() == 4 && watcher.nodes["node1"].attempts() == 0;
  }));
  EXPECT_FALSE(watcher.update.whole());
  EXPECT_GT(watcher.update.sequence(), before);
}

TEST(Watch, WhoComesBackGetsWhatChangedMeanwhile) {
  TestCluster cluster;
  const JobId first = submit(cluster, "r1");
  const pb::WatchRequest wish = where_one_stopped(cluster);
  const JobId second = submit(cluster, "r2");
  Watcher again(cluster, wish);
  ASSERT_TRUE(again.read());
  EXPECT_FALSE(again.update.whole());
  EXPECT_EQ(again.jobs.count(first), 0u);
  EXPECT_EQ(again.jobs.count(second), 1u);
}

TEST(Watch, AnotherControllersNumbersMeanNothing) {
  TestCluster cluster;
  const JobId job = submit(cluster, "r1");
  const pb::WatchRequest wish = where_one_stopped(cluster);
  cluster.stop();
  cluster.start();
  Watcher again(cluster, wish);
  ASSERT_TRUE(again.read());
  EXPECT_TRUE(again.update.whole());
  EXPECT_EQ(again.jobs.count(job), 1u);
}

TEST(Watch, OthersJobsAreForAdministratorsWhoAskForThem) {
  TestCluster cluster;
  cluster.volumes().owners["hers"] = "eve";
  const JobId job = submit(cluster, "r1");
  pb::WatchRequest all;
  all.set_all(true);
  Watcher eve(cluster, all, Role::kUser, "eve");
  ASSERT_TRUE(eve.read());
  EXPECT_TRUE(eve.jobs.empty());
  Watcher admin(cluster, {}, Role::kAdmin, "root");
  ASSERT_TRUE(admin.read());
  EXPECT_TRUE(admin.jobs.empty());
  Watcher admin_of_all(cluster, all, Role::kAdmin, "root");
  ASSERT_TRUE(admin_of_all.read());
  EXPECT_EQ(admin_of_all.jobs.count(job), 1u);
}

TEST(Watch, NobodyTakesAllTheCallsFromOthers) {
  TestCluster cluster;
  std::vector<std::unique_ptr<Watcher>> own;
  for (size_t i = 0; i < kWatchCallsOfUserMax; ++i) {
    own.push_back(std::make_unique<Watcher>(cluster, pb::WatchRequest{}));
    ASSERT_TRUE(own.back()->read());
  }
  Watcher one_more(cluster, {});
  EXPECT_FALSE(one_more.read());
  Watcher other(cluster, {}, Role::kUser, "eve");
  EXPECT_TRUE(other.read());
  own.pop_back();
  // The controller hears of it soon.
  bool has_room = false;
  for (int i = 0; i < 500 && !has_room; ++i) has_room = Watcher(cluster, {}).read();
  EXPECT_TRUE(has_room);
}

// ids of ListJobs for these numbers alone.
std::vector<JobId> listed(TestCluster& cluster, const std::vector<JobId>& jobs,
                          const std::string& word = {}) {
  Call call;
  pb::ListJobsRequest wish;
  pb::ListJobsReply reply;
  for (const JobId job : jobs) wish.add_jobs(job);
  if (!word.empty()) wish.add_words(word);
  const grpc::Status done = cluster.client(Role::kUser, "ada")->ListJobs(&call, wish, &reply);
  EXPECT_TRUE(done.ok()) << done.error_message();
  EXPECT_FALSE(reply.truncated());
  std::vector<JobId> out;
  for (const pb::JobInfo& job : reply.jobs()) out.push_back(job.job());
  return out;
}

TEST(ListJobs, OfSomeByNumberOnlyThoseThatFit) {
  TestCluster cluster;
  cluster.volumes().owners["hers"] = "eve";
  const JobId first = submit(cluster, "r1");
  const JobId second = submit(cluster, "r2");
  EXPECT_EQ(listed(cluster, {second}), std::vector<JobId>{second});
  EXPECT_EQ(listed(cluster, {second, first, 999}), (std::vector<JobId>{first, second}));
  EXPECT_EQ(listed(cluster, {first}, "!state:queued"), std::vector<JobId>{});
  EXPECT_EQ(listed(cluster, {}), (std::vector<JobId>{first, second}));
}

TEST(Watch, LoadsComeToThoseWhoSeeTheJob) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const JobId job = submit(cluster, "r1");
  pb::WatchRequest wish;
  wish.set_loads(true);
  Watcher ada(cluster, wish);
  Watcher eve(cluster, wish, Role::kUser, "eve");
  ASSERT_TRUE(ada.read_until([&] { return ada.jobs.count(job) != 0; }));

  const auto stub = pb::Samples::NewStub(cluster.channel(Role::kNode, "node1"));
  Call call;
  pb::NodeSample sample;
  sample.set_node("somebody-else");  // who it is says the certificate
  sample.set_cpu_permille(500);
  pb::AttemptSample& attempt = *sample.add_attempts();
  *attempt.mutable_key() = wire::to_proto(AttemptKey{job, kNoTask, 0, 1});
  attempt.set_cpu_milli(1500);
  attempt.set_gpus(1);
  pb::TellSampleReply reply;
  ASSERT_TRUE(stub->TellSample(&call, sample, &reply).ok());

  ASSERT_TRUE(ada.read_until([&] { return ada.loads.count("node1") != 0; }));
  ASSERT_EQ(ada.loads["node1"].attempts_size(), 1);
  EXPECT_EQ(ada.loads["node1"].attempts(0).cpu_milli(), 1500u);
  ASSERT_TRUE(eve.read_until([&] { return eve.loads.count("node1") != 0; }));
  EXPECT_EQ(eve.loads["node1"].attempts_size(), 0);

  const auto monitor = pb::Monitor::NewStub(cluster.channel(Role::kUser, "ada"));
  EXPECT_TRUE(eventually([&] {
    Call read;
    pb::SeriesRequest query;
    query.set_job(job);
    pb::SeriesReply series;
    return monitor->ReadSeries(&read, query, &series).ok() && series.series_size() == 1 &&
           series.series(0).cpu_milli_size() > 0 && series.series(0).cpu_milli(0) == 1500;
  }));
}

TEST(Samples, AreForNodesAlone) {
  TestCluster cluster;
  const auto stub = pb::Samples::NewStub(cluster.channel(Role::kUser, "ada"));
  Call call;
  pb::TellSampleReply reply;
  EXPECT_EQ(error_of(stub->TellSample(&call, {}, &reply)).code, Code::kDenied);
}

TEST(Queue, IsInOrderAndTellsOthersPlacesAlone) {
  TestCluster cluster;
  cluster.volumes().owners["hers"] = "eve";
  const JobId first = submit(cluster, "r1");
  const JobId second = submit(cluster, "r2");
  const auto read = [&](const std::string& user) {
    const auto stub = pb::Monitor::NewStub(cluster.channel(Role::kUser, user));
    Call call;
    pb::QueueReply reply;
    EXPECT_TRUE(stub->ReadQueue(&call, {}, &reply).ok());
    return reply;
  };
  const pb::QueueReply own = read("ada");
  ASSERT_EQ(own.jobs_size(), 2);
  EXPECT_EQ(own.jobs(0).job(), first);
  EXPECT_EQ(own.jobs(1).job(), second);
  EXPECT_EQ(own.jobs(1).place(), 2u);
  EXPECT_NE(own.jobs(0).reason(), "");
  const pb::QueueReply others = read("eve");
  ASSERT_EQ(others.jobs_size(), 2);
  EXPECT_EQ(others.jobs(0).job(), 0u);
  EXPECT_EQ(others.jobs(0).reason(), "");
}

TEST(Use, CountsWhatRan) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const JobId job = submit(cluster, "r1");
  const AttemptKey key{job, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  agent.report(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  const auto stub = pb::Monitor::NewStub(cluster.channel(Role::kUser, "ada"));
  EXPECT_TRUE(eventually([&] {
    Call call;
    pb::UseReply reply;
    if (!stub->ReadUse(&call, {}, &reply).ok() || reply.uses_size() != 1) return false;
    const pb::Use& use = reply.uses(0);
    return use.user() == "ada" && use.volume() == "work" && use.jobs() == 1 && use.core_hours() > 0;
  }));
}

}  // namespace
}  // namespace devrun::controller::testing
