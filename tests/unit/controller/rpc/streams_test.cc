// The relay under load: a lot of output, an agent that begins anew in the middle, a slow reader, a keystroke's way.
#include <cstdio>

#include "common/model/ending.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

const AttemptKey kKey{1, kNoTask, 0, 1};

struct Running : TestCluster {
  FakeAgent agent{*this, "node1"};
  std::unique_ptr<pb::Client::Stub> user = client();
  Running() {
    agent.connect();
    Call call;
    pb::SubmitReply submitted;
    EXPECT_TRUE(user->Submit(&call, request("r1"), &submitted).ok());
    EXPECT_TRUE(agent.wait_desired(kKey));
    agent.report(kKey, Phase::kRunning);
  }
};

std::unique_ptr<grpc::ClientReaderWriter<pb::AttachRequest, pb::AttachReply>> attach(
    pb::Client::Stub& client, grpc::ClientContext& call, bool write_stdin) {
  auto stream = client.Attach(&call);
  pb::AttachRequest start;
  start.mutable_start()->set_job(1);
  start.mutable_start()->set_task(-1);
  start.mutable_start()->set_write_stdin(write_stdin);
  EXPECT_TRUE(stream->Write(start));
  return stream;
}

std::string noise(size_t bytes) {
  std::string out(bytes, '\0');
  uint32_t x = 1;
  for (char& c : out) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  return out;
}

TEST(Streams, MuchOutputArrivesByteForByte) {
  Running cluster;
  const std::string output = noise(64 << 20);
  Call call;
  const auto stream = attach(*cluster.user, call, false);
  const auto began = std::chrono::steady_clock::now();
  std::thread sender([&] {
    cluster.agent.send_output(kKey, output);
    cluster.agent.report(kKey, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""},
                         static_cast<int64_t>(output.size()));
  });
  std::string got;
  got.reserve(output.size());
  uint64_t told = 0;
  bool ended = false;
  pb::AttachReply reply;
  while (stream->Read(&reply)) {
    if (reply.has_output()) got += reply.output().data();
    ended = ended || reply.has_end();
    if (got.size() - told < (1 << 20)) continue;
    told = got.size();
    pb::AttachRequest read;
    read.set_output_read(told);
    stream->Write(read);
  }
  sender.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("output: %.0f MB/s\n", static_cast<double>(got.size()) / 1e6 / took.count());
  EXPECT_TRUE(ended);
  EXPECT_TRUE(got == output);
  EXPECT_TRUE(cluster.agent.wait_released(kKey));
}

TEST(Streams, AReaderThatDoesNotReadIsNotSentMoreThanItsWindow) {
  Running cluster;
  cluster.agent.send_output(kKey, noise(8 << 20));
  Call call;
  const auto stream = attach(*cluster.user, call, false);
  size_t got = 0;
  pb::AttachReply reply;
  while (got < (4 << 20) && stream->Read(&reply)) got += reply.output().data().size();
  EXPECT_EQ(got, size_t{4} << 20);
  pb::AttachRequest read;
  read.set_output_read(1);
  stream->Write(read);
  while (!reply.has_output() || reply.output().offset() < (4 << 20)) {
    ASSERT_TRUE(stream->Read(&reply));
  }
  EXPECT_EQ(reply.output().data().size(), 1u) << "one byte read makes room for one";
  call.TryCancel();
}

TEST(Streams, AChunkAtTheWrongPlaceIsAnsweredOnceWithTheRightOne) {
  Running cluster;
  Call call;
  const auto stream = cluster.agent.stub().Streams(&call);
  pb::StreamsUp up;
  *up.mutable_start() = wire::to_proto(kKey);
  stream->Write(up);
  up.mutable_output()->set_data("later");
  for (uint64_t offset : {100, 105, 110}) {
    up.mutable_output()->set_offset(offset);
    stream->Write(up);
  }
  pb::StreamsDown down;
  int told_from = 0;
  while (down.output_taken() != 5 && stream->Read(&down)) {
    if (down.kind_case() != pb::StreamsDown::kOutputFrom) continue;
    EXPECT_EQ(down.output_from(), 0u);
    if (++told_from != 2) continue;
    up.mutable_output()->set_offset(0);
    up.mutable_output()->set_data("first");
    stream->Write(up);
  }
  EXPECT_EQ(told_from, 2) << "at the start, and once for the three";
  call.TryCancel();
}

TEST(Streams, StdinNotYetTakenIsSentAgainToANewCall) {
  Running cluster;
  Call attach_call;
  const auto watcher = attach(*cluster.user, attach_call, true);
  pb::AttachRequest in;
  in.mutable_stdin()->set_data("0123456789");
  watcher->Write(in);
  for (const uint64_t taken : {0, 4}) {
    Call call;
    const auto stream = cluster.agent.stub().Streams(&call);
    pb::StreamsUp up;
    *up.mutable_start() = wire::to_proto(kKey);
    stream->Write(up);
    pb::StreamsDown down;
    while (!down.has_stdin() && stream->Read(&down)) {
    }
    EXPECT_EQ(down.stdin().offset(), taken);
    EXPECT_EQ(down.stdin().data(), std::string("0123456789").substr(taken));
    up.set_stdin_taken(4);
    stream->Write(up);
    pb::AttachReply reply;
    while (taken == 0 && reply.stdin_taken() != 4 && watcher->Read(&reply)) {
    }
    call.TryCancel();
  }
  // More than the window is refused, not kept.
  in.mutable_stdin()->set_offset(10);
  in.mutable_stdin()->set_data(std::string(256 << 10, 'x'));
  for (int i = 0; i < 5; ++i) {
    watcher->Write(in);
    in.mutable_stdin()->set_offset(in.stdin().offset() + (256 << 10));
  }
  pb::AttachReply reply;
  while (watcher->Read(&reply)) {
  }
  EXPECT_EQ(error_of(watcher->Finish()).code, Code::kExhausted);
}

// What a call ends with that says something which is for the job.
Error refusal(pb::Client::Stub& client, bool asks_to_write) {
  Call call;
  const auto stream = attach(client, call, asks_to_write);
  pb::AttachRequest signal;
  signal.set_signal(15);
  stream->Write(signal);
  pb::AttachReply reply;
  while (stream->Read(&reply)) {
  }
  return error_of(stream->Finish());
}

// Its agent was killed while it set the attempt up.
TEST(Streams, StdinThatAnAttemptHadNotBegunToReadIsTheNextOnes) {
  TestCluster cluster;
  FakeAgent agent(cluster, "node1");
  agent.connect();
  const auto user = cluster.client();
  Call submit;
  pb::SubmitReply submitted;
  ASSERT_TRUE(user->Submit(&submit, request("r1"), &submitted).ok());
  ASSERT_TRUE(agent.wait_desired(kKey));
  Call call;
  const auto stream = attach(*user, call, true);
  pb::AttachRequest typed;
  typed.mutable_stdin()->set_data("three words ");
  ASSERT_TRUE(stream->Write(typed));
  agent.report(kKey, Phase::kEnded, set_up_interrupted());
  const AttemptKey second{1, kNoTask, 0, 2};
  ASSERT_TRUE(agent.wait_desired(second));
  agent.report(second, Phase::kRunning);
  typed.mutable_stdin()->set_offset(12);
  typed.mutable_stdin()->set_data("here");
  ASSERT_TRUE(stream->Write(typed));
  Call reading;
  const auto down_stream = agent.stub().Streams(&reading);
  pb::StreamsUp up;
  *up.mutable_start() = wire::to_proto(second);
  down_stream->Write(up);
  std::string got;
  pb::StreamsDown down;
  while (got.size() < 16 && down_stream->Read(&down)) {
    if (down.has_stdin()) got += down.stdin().data();
  }
  EXPECT_EQ(got, "three words here");
  reading.TryCancel();
  call.TryCancel();
}

TEST(Streams, OneCallWritesAndOthersWatch) {
  Running cluster;
  {
    Call call;
    const auto writer = attach(*cluster.user, call, true);
    pb::AttachReply reply;
    ASSERT_TRUE(writer->Read(&reply)) << "it is the writer now";
    EXPECT_EQ(refusal(*cluster.user, true).code, Code::kConflict);
    EXPECT_EQ(refusal(*cluster.user, false).code, Code::kDenied);
    call.TryCancel();
    while (writer->Read(&reply)) {
    }
    writer->Finish();
  }
  // The writer has left: the next who asks for it writes.
  EXPECT_TRUE(eventually([&] {
    Call call;
    const auto next = attach(*cluster.user, call, true);
    pb::AttachReply reply;
    const bool writes = next->Read(&reply);
    call.TryCancel();
    return writes;
  }));
  EXPECT_EQ(refusal(*cluster.user, false).code, Code::kDenied);
}

TEST(Streams, ReadersOfALostNodesOutputAreToldWhatIsMissing) {
  Running cluster;
  const std::string told = record("came");
  cluster.agent.send_output(kKey, told);
  Call attached;
  const auto watcher = attach(*cluster.user, attached, false);
  Call followed;
  pb::ReadLogRequest wish;
  wish.set_job(1);
  wish.set_task(-1);
  wish.set_follow(true);
  const auto follower = cluster.user->ReadLog(&followed, wish);
  cluster.agent.report(kKey, Phase::kEnded, Ending{EndCause::kExited, 0, "", ""},
                       static_cast<int64_t>(told.size()) + 500);
  cluster.agent.disconnect();
  const auto admin = cluster.client(Role::kAdmin, "root");
  EXPECT_TRUE(eventually([&] {
    Call call;
    pb::DeclareNodeLostRequest lost;
    lost.set_node("node1");
    pb::DeclareNodeLostReply reply;
    return admin->DeclareNodeLost(&call, lost, &reply).ok();
  })) << "it is connected for ever";
  pb::AttachReply news;
  while (watcher->Read(&news) && !news.has_end()) {
  }
  EXPECT_TRUE(news.has_end());
  EXPECT_EQ(news.end().output_missing(), 500u);
  EXPECT_EQ(news.end().ending().status(), 0);
  pb::LogChunk chunk;
  while (follower->Read(&chunk) && !chunk.ended()) {
  }
  EXPECT_TRUE(chunk.ended());
  EXPECT_EQ(chunk.output_missing(), 500u);
}

TEST(Streams, AKeystrokeAndItsEchoTakeLittle) {
  Running cluster;
  Call attach_call;
  const auto watcher = attach(*cluster.user, attach_call, true);
  Call streams_call;
  const auto streams = cluster.agent.stub().Streams(&streams_call);
  std::thread echo([&] {
    pb::StreamsUp up;
    *up.mutable_start() = wire::to_proto(kKey);
    streams->Write(up);
    pb::StreamsDown down;
    uint64_t sent = 0;
    while (streams->Read(&down)) {
      if (!down.has_stdin()) continue;
      up.mutable_output()->set_offset(sent);
      up.mutable_output()->set_data(down.stdin().data());
      sent += down.stdin().data().size();
      streams->Write(up);
      pb::StreamsUp taken;
      taken.set_stdin_taken(sent);
      streams->Write(taken);
    }
  });
  std::vector<double> took;
  pb::AttachReply reply;
  for (uint64_t i = 0; i < 300; ++i) {
    const auto began = std::chrono::steady_clock::now();
    pb::AttachRequest in;
    in.mutable_stdin()->set_offset(i);
    in.mutable_stdin()->set_data("k");
    watcher->Write(in);
    do {
      ASSERT_TRUE(watcher->Read(&reply));
    } while (!reply.has_output());
    EXPECT_EQ(reply.output().offset(), i);
    took.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    pb::AttachRequest read;
    read.set_output_read(i + 1);
    watcher->Write(read);
  }
  std::sort(took.begin(), took.end());
  std::printf("keystroke and echo, four hops: p50 %.0f us, p95 %.0f us\n", took[150] * 1e6,
              took[285] * 1e6);
  EXPECT_LT(took[0], 0.02) << "a delayed segment would slow every one, a busy machine only some";
  attach_call.TryCancel();
  streams_call.TryCancel();
  echo.join();
}

}  // namespace
}  // namespace devrun::controller::testing
