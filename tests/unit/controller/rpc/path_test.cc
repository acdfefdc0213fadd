// The whole path of a run, over the wire: Submit, Synchronize, Streams, Attach, the end.
#include <thread>

#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

using AttachStream = grpc::ClientReaderWriter<pb::AttachRequest, pb::AttachReply>;

std::unique_ptr<AttachStream> attach(pb::Client::Stub& client, grpc::ClientContext& call, JobId job,
                                     bool write_stdin = false) {
  auto stream = client.Attach(&call);
  pb::AttachRequest start;
  start.mutable_start()->set_job(job);
  start.mutable_start()->set_task(-1);
  start.mutable_start()->set_write_stdin(write_stdin);
  EXPECT_TRUE(stream->Write(start));
  return stream;
}

struct Seen {
  std::vector<pb::JobState> states;
  std::string output;
  std::optional<pb::AttachEnd> end;
};

Seen read_all(AttachStream& stream) {
  Seen seen;
  pb::AttachReply reply;
  while (stream.Read(&reply)) {
    if (reply.has_state()) seen.states.push_back(reply.state().state());
    if (reply.has_output()) {
      EXPECT_EQ(reply.output().offset(), seen.output.size());
      seen.output += reply.output().data();
      pb::AttachRequest read;
      read.set_output_read(seen.output.size());
      stream.Write(read);
    }
    if (reply.has_end()) seen.end = reply.end();
  }
  EXPECT_TRUE(stream.Finish().ok());
  return seen;
}

TEST(Path, FromSubmitToTheEnd) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const auto client = cluster.client();

  pb::SubmitReply submitted;
  Call call;
  const grpc::Status status = client->Submit(&call, request("r1", {"echo", "hi"}), &submitted);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(submitted.job(), 1u);
  EXPECT_EQ(submitted.tree().size(), 32u);
  EXPECT_GE(submitted.timeline().journaled_us(), submitted.timeline().snapshot_taken_us());

  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  const pb::AttemptSpec spec = *agent.spec(key);
  EXPECT_EQ(spec.env(), std::string("PATH=/bin\0SECRET=x=y\0", 21));
  EXPECT_EQ(spec.root().tree(), submitted.tree());
  EXPECT_EQ(spec.user(), "ada");
  EXPECT_TRUE(spec.program().sealed_env().empty());

  Call attach_call;
  const auto stream = attach(*client, attach_call, 1);
  agent.report(key, Phase::kStarting);
  agent.report(key, Phase::kRunning);
  const std::string output = record("hi\n");
  agent.report(key, Phase::kEnded, Ending{EndCause::kExited, 3, "", ""},
               static_cast<int64_t>(output.size()));
  EXPECT_TRUE(agent.desired(key)) << "released before its output was here";
  agent.send_output(key, output);

  const Seen seen = read_all(*stream);
  EXPECT_EQ(seen.output, output);
  ASSERT_TRUE(seen.end);
  EXPECT_EQ(seen.end->state(), pb::FAILED);
  EXPECT_EQ(seen.end->ending().status(), 3);
  EXPECT_EQ(seen.states.back(), pb::FAILED);
  EXPECT_TRUE(agent.wait_released(key));

  // Logs of a finished job, from any byte.
  Call log_call;
  pb::ReadLogRequest log;
  log.set_job(1);
  log.set_task(-1);
  log.set_offset(16);
  const auto reader = client->ReadLog(&log_call, log);
  pb::LogChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  EXPECT_EQ(chunk.output().data(), "hi\n");
  EXPECT_TRUE(chunk.ended());
  EXPECT_FALSE(reader->Read(&chunk));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST(Path, StdinIsForwardedAcknowledgedAndEndsOnce) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const auto client = cluster.client();
  pb::SubmitReply submitted;
  Call call;
  ASSERT_TRUE(client->Submit(&call, request("r1", {"cat"}), &submitted).ok());
  Call attach_call;
  const auto watcher = attach(*client, attach_call, 1, true);
  // Told at once where stdin begins, before the agent's stream is there.
  pb::AttachReply first;
  while (first.kind_case() != pb::AttachReply::kStdinTaken) ASSERT_TRUE(watcher->Read(&first));
  EXPECT_EQ(first.stdin_taken(), 0u);
  pb::AttachRequest in;
  in.mutable_stdin()->set_data("hello ");
  ASSERT_TRUE(watcher->Write(in));

  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  Call streams_call;
  const auto streams = agent.stub().Streams(&streams_call);
  pb::StreamsUp up;
  *up.mutable_start() = wire::to_proto(key);
  ASSERT_TRUE(streams->Write(up));
  in.mutable_stdin()->set_offset(6);
  in.mutable_stdin()->set_data("world");
  in.mutable_stdin()->set_eof(true);
  ASSERT_TRUE(watcher->Write(in));

  std::string got;
  bool eof = false;
  pb::StreamsDown down;
  while (!eof && streams->Read(&down)) {
    if (!down.has_stdin()) continue;
    EXPECT_EQ(down.stdin().offset(), got.size());
    got += down.stdin().data();
    eof = down.stdin().eof();
  }
  EXPECT_EQ(got, "hello world");
  up.set_stdin_taken(11);
  ASSERT_TRUE(streams->Write(up));
  pb::AttachReply reply;
  uint64_t taken = 0;
  while (taken < 11 && watcher->Read(&reply)) {
    if (reply.kind_case() == pb::AttachReply::kStdinTaken) taken = reply.stdin_taken();
  }
  EXPECT_EQ(taken, 11u);

  // There is one writer; a second one is told.
  Call second_call;
  const auto second = attach(*client, second_call, 1, true);
  EXPECT_FALSE(second->Read(&reply));
  EXPECT_EQ(error_of(second->Finish()).code, Code::kConflict);

  // Signals and sizes reach the agent.
  pb::AttachRequest resize;
  resize.mutable_resize()->set_rows(50);
  ASSERT_TRUE(watcher->Write(resize));
  pb::AttachRequest signal;
  signal.set_signal(2);
  ASSERT_TRUE(watcher->Write(signal));
  bool resized = false;
  bool signalled = false;
  while (!(resized && signalled) && streams->Read(&down)) {
    resized = resized || (down.has_resize() && down.resize().rows() == 50);
    signalled = signalled || down.signal() == 2;
  }
  EXPECT_TRUE(resized && signalled);
  // The program has closed its stdin: the writer hears of it.
  up.set_stdin_closed(true);
  ASSERT_TRUE(streams->Write(up));
  bool closed = false;
  while (!closed && watcher->Read(&reply)) closed = reply.stdin_closed();
  EXPECT_TRUE(closed);
  attach_call.TryCancel();
  streams_call.TryCancel();
}

TEST(Path, CallsThatEndOrAreLeftAsTheyBeginHarmNothing) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const auto client = cluster.client();
  pb::SubmitReply submitted;
  Call call;
  ASSERT_TRUE(client->Submit(&call, request("r1", {"true"}), &submitted).ok());
  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  agent.report(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""});
  // An ended job's Attach is over at once, a cancelled one anywhere in between.
  constexpr int kThreads = 8;
  constexpr int kCallsOfEach = 150;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&client] {
      for (int n = 0; n < kCallsOfEach; ++n) {
        Call one;
        const auto stream = attach(*client, one, 1);
        if (n % 3 == 0) one.TryCancel();
        pb::AttachReply reply;
        while (stream->Read(&reply)) {
          if (n % 3 == 1) one.TryCancel();
        }
        (void)stream->Finish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Call last_call;
  const auto last = attach(*client, last_call, 1);
  EXPECT_TRUE(read_all(*last).end);
}

TEST(Path, AfterARestartARequestIdIsKnownAndAForgottenAttemptIsLost) {
  TestCluster cluster;
  auto agent = std::make_unique<FakeAgent>(cluster, "node1");
  agent->connect();
  pb::SubmitReply submitted;
  {
    Call call;
    ASSERT_TRUE(cluster.client()->Submit(&call, request("r1"), &submitted).ok());
  }
  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(agent->wait_desired(key));
  agent->report(key, Phase::kRunning);
  const std::string output = record("part one") + record("part two");
  agent->send_output(key, output.substr(0, 10));
  agent->disconnect();
  cluster.stop();
  cluster.start();

  const auto client = cluster.client();
  {
    // The same request id is the same job, without a new snapshot.
    const uint64_t before = cluster.volumes().snapshots_taken;
    Call call;
    pb::SubmitReply again;
    ASSERT_TRUE(client->Submit(&call, request("r1"), &again).ok());
    EXPECT_EQ(again.job(), 1u);
    EXPECT_EQ(again.tree(), submitted.tree());
    EXPECT_EQ(cluster.volumes().snapshots_taken, before);
  }
  // Another agent process, which does not know the attempt that its predecessor had reported.
  FakeAgent redialled(cluster, "node1");
  redialled.connect();
  ASSERT_FALSE(redialled.desired(key)) << "what was reported once is never started again";
  Call call;
  pb::GetJobRequest get;
  get.set_job(1);
  pb::JobInfo job;
  ASSERT_TRUE(client->GetJob(&call, get, &job).ok());
  EXPECT_EQ(job.state(), pb::NODE_LOST);
  EXPECT_EQ(job.ending().status(), 125);
  EXPECT_EQ(job.env_names(1), "SECRET");
}

TEST(Path, ARunningAttemptOutlivesTheController) {
  TestCluster cluster;
  FakeAgent first(cluster, "node1");
  first.connect();
  {
    Call call;
    pb::SubmitReply submitted;
    ASSERT_TRUE(cluster.client()->Submit(&call, request("r1"), &submitted).ok());
  }
  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(first.wait_desired(key));
  first.report(key, Phase::kRunning);
  const std::string output = record("part one") + record("part two");
  first.send_output(key, output.substr(0, 10));
  first.disconnect();
  cluster.stop();
  cluster.start();
  const auto client = cluster.client();
  Call attach_call;
  const auto stream = attach(*client, attach_call, 1);

  FakeAgent again(cluster, "node1");
  again.remember(key, Phase::kRunning);
  again.connect();
  ASSERT_TRUE(again.desired(key));
  EXPECT_FALSE(again.desired(key)->has_spec()) << "the agent has it already";
  again.send_output(key, output);
  again.report(key, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""},
               static_cast<int64_t>(output.size()));
  const Seen seen = read_all(*stream);
  EXPECT_EQ(seen.output, output);
  EXPECT_EQ(seen.end->state(), pb::SUCCEEDED);
  EXPECT_TRUE(again.wait_released(key));
}

TEST(Path, CancelStopsWhatRunsAndEndsWhatWaits) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const auto client = cluster.client();
  for (const char* id : {"r1", "r2"}) {
    pb::SubmitRequest submit = request(id);
    submit.mutable_spec()->mutable_per_node()->set_cpu_milli(3000);
    Call call;
    pb::SubmitReply submitted;
    ASSERT_TRUE(client->Submit(&call, submit, &submitted).ok());
  }
  const AttemptKey key{1, kNoTask, 0, 1};
  ASSERT_TRUE(agent.wait_desired(key));
  const auto cancel = [&](JobId job) {
    Call call;
    pb::CancelJobRequest request;
    request.set_job(job);
    request.set_task(-1);
    pb::CancelJobReply reply;
    EXPECT_TRUE(client->CancelJob(&call, request, &reply).ok());
    return reply.state();
  };
  const auto job = [&](JobId id) {
    Call call;
    pb::GetJobRequest get;
    get.set_job(id);
    pb::JobInfo info;
    EXPECT_TRUE(client->GetJob(&call, get, &info).ok());
    return info;
  };
  EXPECT_EQ(job(2).reason(), "needs 3 cores on one node; the largest free is 1 core on node1");
  EXPECT_EQ(cancel(2), pb::QUEUED);
  EXPECT_EQ(job(2).state(), pb::CANCELLED);
  EXPECT_EQ(job(2).ending().status(), 130);
  EXPECT_EQ(cancel(1), pb::STARTING);
  ASSERT_TRUE(eventually([&] { return agent.desired(key) && agent.desired(key)->stop(); }));
  agent.report(key, Phase::kEnded, Ending{EndCause::kCancelled, 143, "", ""});
  EXPECT_EQ(job(1).state(), pb::CANCELLED);
  EXPECT_EQ(job(1).ending().status(), 130);
  EXPECT_TRUE(agent.wait_released(key));
}

}  // namespace
}  // namespace devrun::controller::testing
