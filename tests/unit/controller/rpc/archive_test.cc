// A job that has left the ledger for the history is, for whoever asks, as it was: through a whole controller.
#include "common/wire/job.h"
#include "controller/core/apply.h"
#include "controller/journal/history.h"
#include "controller/journal/journal.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

constexpr AttemptKey first_try(JobId job) {
  return {job, kNoTask, 0, 1};
}

struct Archived : ::testing::Test {
  Archived() {
    // At once.
    cluster.stop();
    cluster.policy().keep_in_memory = {};
    cluster.start();
    agent = std::make_unique<FakeAgent>(cluster, "node1");
    agent->connect();
  }

  JobId submit(const pb::SubmitRequest& wanted, grpc::Status* told = nullptr) {
    Call call;
    pb::SubmitReply reply;
    const grpc::Status status = cluster.client()->Submit(&call, wanted, &reply);
    if (told != nullptr) *told = status;
    EXPECT_TRUE(told != nullptr || status.ok()) << status.error_message();
    return reply.job();
  }
  JobId run(const pb::SubmitRequest& wanted, int32_t status, const std::string& output) {
    const JobId job = submit(wanted);
    EXPECT_TRUE(agent->wait_desired(first_try(job)));
    agent->report(first_try(job), Phase::kRunning);
    const std::string log = record(output);
    agent->send_output(first_try(job), log);
    agent->report(first_try(job), Phase::kEnded, Ending{EndCause::kExited, status, "", ""},
                  static_cast<int64_t>(log.size()));
    EXPECT_TRUE(agent->wait_released(first_try(job)));
    return job;
  }
  std::unique_ptr<History> history() {
    return std::move(*History::open(cluster.folder() + "/state/history.db"));
  }
  // In the history, and out of the ledger; which only the journal of a controller that has ended tells.
  void await_archived(JobId job) {
    const auto past = history();
    ASSERT_TRUE(eventually([&] { return past->find(job)->has_value(); }));
    ASSERT_TRUE(eventually([&] { return !is_in_ledger(job); })) << job;
  }
  bool is_in_ledger(JobId job) {
    restart();
    return ledger_.jobs.count(job) != 0;
  }
  void restart() {
    agent->disconnect();
    agent.reset();
    cluster.stop();
    {
      const auto journal = Journal::open(cluster.folder() + "/state/journal.db");
      ledger_ = {};
      ASSERT_TRUE((*journal)->replay([&](const Event& event) { apply(ledger_, event); }));
    }
    cluster.start();
    agent = std::make_unique<FakeAgent>(cluster, "node1");
    agent->connect();
  }
  grpc::Status get(JobId job, pb::JobInfo& out, const std::string& user = "ada") {
    Call call;
    pb::GetJobRequest wanted;
    wanted.set_job(job);
    return cluster.client(Role::kUser, user)->GetJob(&call, wanted, &out);
  }
  std::vector<JobId> list(const pb::ListJobsRequest& wanted, const std::string& user = "ada") {
    Call call;
    pb::ListJobsReply reply;
    const grpc::Status status = cluster.client(Role::kUser, user)->ListJobs(&call, wanted, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<JobId> out;
    for (const pb::JobInfo& job : reply.jobs()) out.push_back(job.job());
    return out;
  }
  std::string log_of(JobId job) {
    Call call;
    pb::ReadLogRequest wanted;
    wanted.set_job(job);
    wanted.set_task(kNoTask);
    wanted.set_follow(true);
    const auto reader = cluster.client()->ReadLog(&call, wanted);
    std::string out;
    pb::LogChunk chunk;
    while (reader->Read(&chunk)) out += chunk.output().data();
    EXPECT_TRUE(reader->Finish().ok());
    return out;
  }

  TestCluster cluster;
  std::unique_ptr<FakeAgent> agent;
  Ledger ledger_;
};

TEST_F(Archived, IsShownReadCancelledAndWaitedForAsBefore) {
  const JobId job = run(request("r1", {"prog"}), 3, "what it said");
  await_archived(job);
  pb::JobInfo info;
  ASSERT_TRUE(get(job, info).ok());
  EXPECT_EQ(info.state(), pb::FAILED);
  EXPECT_EQ(info.ending().status(), 3);
  EXPECT_EQ(info.attempts(0).node(), "node1");
  EXPECT_EQ(info.env_names(1), "SECRET");
  EXPECT_EQ(error_of(get(job, info, "bob")).code, Code::kNotFound);
  EXPECT_EQ(log_of(job), record("what it said"));

  Call attaching;
  const auto attach = cluster.client()->Attach(&attaching);
  pb::AttachRequest start;
  start.mutable_start()->set_job(job);
  start.mutable_start()->set_task(kNoTask);
  ASSERT_TRUE(attach->Write(start));
  pb::AttachReply reply;
  while (attach->Read(&reply) && !reply.has_end()) continue;
  EXPECT_EQ(reply.end().ending().status(), 3);
  attaching.TryCancel();
  attach->Finish();

  Call cancelling;
  pb::CancelJobRequest cancel;
  cancel.set_job(job);
  cancel.set_task(kNoTask);
  pb::CancelJobReply before;
  ASSERT_TRUE(cluster.client()->CancelJob(&cancelling, cancel, &before).ok());
  EXPECT_EQ(before.state(), pb::FAILED);
}

TEST_F(Archived, ItsRequestIsTheSameJobAndItsNumberIsNotGivenAgain) {
  const JobId job = run(request("r1"), 0, "");
  await_archived(job);
  const uint64_t snapshots = cluster.volumes().snapshots_taken;
  EXPECT_EQ(submit(request("r1")), job);
  EXPECT_EQ(cluster.volumes().snapshots_taken, snapshots);
  EXPECT_GT(submit(request("r2")), job);
}

TEST_F(Archived, OthersFollowItAndItIsRunAgain) {
  const JobId good = run(request("good"), 0, "");
  const JobId bad = run(request("bad"), 1, "");
  await_archived(good);
  await_archived(bad);
  pb::SubmitRequest after = request("after");
  after.mutable_spec()->add_after_ok(bad);
  grpc::Status told;
  submit(after, &told);
  EXPECT_EQ(error_of(told).code, Code::kConflict) << told.error_message();
  after.mutable_spec()->set_after_ok(0, good);
  // It waits for room, and through a restart for its dependency to be known.
  after.mutable_spec()->mutable_per_node()->set_cpu_milli(64'000);
  const JobId waits = submit(after);
  restart();
  pb::JobInfo info;
  ASSERT_TRUE(get(waits, info).ok());
  EXPECT_EQ(info.state(), pb::QUEUED);
  EXPECT_EQ(info.reason().find("has to succeed"), std::string::npos) << info.reason();
  ASSERT_TRUE(get(good, info).ok());

  pb::SubmitRequest again;
  again.set_request_id("again");
  again.mutable_again()->set_job(bad);
  EXPECT_GT(submit(again), waits);
}

TEST_F(Archived, IsListedBesideWhatLives) {
  std::vector<JobId> jobs;
  for (int i = 0; i < 4; ++i) {
    pb::SubmitRequest wanted = request("r" + std::to_string(i));
    wanted.mutable_spec()->set_name(i % 2 == 0 ? "even" : "odd");
    jobs.push_back(run(wanted, i, ""));
  }
  for (const JobId job : jobs) await_archived(job);
  pb::SubmitRequest living = request("living");
  living.mutable_spec()->set_name("odd");
  jobs.push_back(submit(living));
  pb::ListJobsRequest wanted;
  EXPECT_EQ(list(wanted), jobs);  // all within the hour
  EXPECT_TRUE(list(wanted, "bob").empty());
  wanted.set_all(true);
  wanted.set_name("odd");
  EXPECT_EQ(list(wanted), (std::vector<JobId>{jobs[1], jobs[3], jobs[4]}));
  wanted.set_failed(true);
  EXPECT_EQ(list(wanted), (std::vector<JobId>{jobs[1], jobs[3]}));
  wanted.set_exit_status(3);
  EXPECT_EQ(list(wanted), (std::vector<JobId>{jobs[3]}));
  pb::ListJobsRequest words;
  words.add_words("user:ada");
  words.add_words("!odd");
  EXPECT_EQ(list(words), (std::vector<JobId>{jobs[0], jobs[2]}));

  pb::ListJobsRequest page;
  page.set_limit(2);
  Call first;
  pb::ListJobsReply reply;
  ASSERT_TRUE(cluster.client()->ListJobs(&first, page, &reply).ok());
  EXPECT_TRUE(reply.truncated());
  EXPECT_EQ(reply.jobs(0).job(), jobs[3]);
  page.set_before(reply.next_before());
  EXPECT_EQ(list(page), (std::vector<JobId>{jobs[1], jobs[2]}));
  page.set_before(jobs[1]);
  EXPECT_EQ(list(page), (std::vector<JobId>{jobs[0]}));

  pb::ListJobsRequest foreign;
  foreign.set_user("bob");
  Call denied;
  const grpc::Status told = cluster.client()->ListJobs(&denied, foreign, &reply);
  EXPECT_EQ(error_of(told).code, Code::kDenied);
}

// The controller is killed between making the record durable and telling the ledger.
TEST_F(Archived, InBothPlacesItIsOneJob) {
  cluster.stop();
  cluster.policy().keep_in_memory = seconds(3600);
  cluster.start();
  agent->disconnect();
  agent = std::make_unique<FakeAgent>(cluster, "node1");
  agent->connect();
  const JobId job = run(request("r1"), 3, "");
  restart();
  ASSERT_EQ(ledger_.jobs.count(job), 1u);
  const std::vector<HistoryEntry> entries{{ledger_.jobs.at(job), "written before the crash"}};
  ASSERT_TRUE(history()->put(entries));
  pb::ListJobsRequest all;
  all.set_all(true);
  EXPECT_EQ(list(all), std::vector<JobId>{job});
  EXPECT_EQ(submit(request("r1")), job);
  cluster.policy().keep_in_memory = {};
  restart();
  const auto past = history();
  const auto is_written_again = [&] {
    bool again = false;
    EXPECT_TRUE(past->visit({}, [&](const HistoryFound& found) {
      again = found.row.empty();
      return false;
    }));
    return again;
  };
  ASSERT_TRUE(eventually(is_written_again));
  await_archived(job);
  EXPECT_EQ(list(all), std::vector<JobId>{job});
  EXPECT_TRUE(**history()->find(job) == entries[0].job);
}

// A node that was away, and of which nothing was heard since it was given up, brings what it has.
TEST_F(Archived, ANodeWithItsAttemptIsTakenAsBefore) {
  const JobId job = submit(request("r1"));
  ASSERT_TRUE(agent->wait_desired(first_try(job)));
  agent->report(first_try(job), Phase::kRunning);
  agent->disconnect();
  Call losing;
  pb::DeclareNodeLostRequest lost;
  lost.set_node("node1");
  pb::DeclareNodeLostReply reply;
  ASSERT_TRUE(eventually([&] {
    Call call;
    return cluster.client(Role::kAdmin, "root")->DeclareNodeLost(&call, lost, &reply).ok();
  }));
  const auto past = history();
  ASSERT_TRUE(eventually([&] { return past->find(job)->has_value(); }));
  agent->connect();
  // It is killed there, and let go only once its output is here.
  ASSERT_TRUE(agent->wait_desired(first_try(job)));
  EXPECT_TRUE(agent->desired(first_try(job))->stop());
  agent->report(first_try(job), Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  EXPECT_TRUE(agent->wait_released(first_try(job)));
  pb::JobInfo info;
  ASSERT_TRUE(get(job, info).ok());
  EXPECT_EQ(info.state(), pb::NODE_LOST);
}

}  // namespace
}  // namespace devrun::controller::testing
