// AttachSession against a controller in this process, over a real gRPC connection and real pipes.
#include "cli/client/attach.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/cli/client/attach_fixture.h"

namespace devrun::cli {
namespace {

std::string some_bytes(size_t count) {
  std::string out(count, '\0');
  uint32_t state = 1;
  for (char& c : out) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return out;
}

TEST_F(Attach, StreamsAreCarriedApart) {
  fake_.change([](FakeController::Job& job) {
    job.log = log_record(1, "to stdout\n") + log_record(2, "to stderr\n") + log_record(1, "more\n");
  });
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  start(false);
  finish_succeeding();
  EXPECT_EQ(output_, "to stdout\nmore\n");
  EXPECT_EQ(words_, "to stderr\n");
}

TEST_F(Attach, MarksAreDevrunsWords) {
  fake_.change(
      [](FakeController::Job& job) { job.log = log_record(3, "the output was cut off here"); });
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  start(false);
  finish_succeeding();
  EXPECT_EQ(words_, "devrun: the output was cut off here\n");
}

TEST_F(Attach, StatusOfTheProgram) {
  fake_.end_with(pb::FAILED, pb::EXITED, 7);
  start(false);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->end.state, JobState::kFailed);
  EXPECT_EQ(result->end.ending.status, 7);
}

TEST_F(Attach, GoesOnAtTheVeryByteAfterBreaks) {
  const std::string bytes = some_bytes(300'000);
  fake_.change([&](FakeController::Job& job) {
    for (size_t at = 0; at < bytes.size(); at += 5000)
      job.log += log_record(1, bytes.substr(at, 5000));
    job.break_after = {0,    3,    16,     17,
                       5016, 5020, 99'999, 200'000};  // in headers, between records, in payloads
    job.chunk_bytes = 777;
  });
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  options_.patient = true;
  start(false);
  finish_succeeding();
  EXPECT_EQ(output_, bytes);
  const auto from = fake_.job().attached_from;
  EXPECT_EQ(from, (std::vector<uint64_t>{0, 0, 3, 16, 17, 5016, 5020, 99'999, 200'000}));
  const std::string_view lost = "devrun: lost the controller: ";
  EXPECT_EQ(words_.find(lost), 0u) << words_;
  EXPECT_EQ(words_.find(lost, 1), std::string::npos) << "said more than once: " << words_;
  const size_t back = words_.find("devrun: connected again, job ");
  EXPECT_NE(back, std::string::npos) << words_;
  EXPECT_EQ(words_.find("connected again", back + 20), std::string::npos) << words_;
}

TEST_F(Attach, StdinGoesOnWhereItWasTaken) {
  const std::string bytes = some_bytes(3'000'000);
  fake_.change([](FakeController::Job& job) { job.takes_at_most = 100'000; });
  start();
  std::thread writer([&] {
    EXPECT_EQ(::write(in_.fds[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    in_.close_write();
  });
  // The window: nearly 1 MiB beyond what was taken, and never more.
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.stdin_bytes.size() > 900'000; }));
  fake_.stop();
  fake_.change([](FakeController::Job& job) {
    EXPECT_LE(job.stdin_bytes.size(), 100'000u + (1 << 20));
    job.stdin_bytes.resize(100'000);  // what the controller had not passed on went with it
    job.takes_at_most = UINT64_MAX;
  });
  fake_.serve();
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.stdin_eof; }));
  writer.join();
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
  EXPECT_TRUE(fake_.job().stdin_bytes == bytes);
}

class AttachOverTls : public Attach {
 protected:
  AttachOverTls() : Attach(FakeController::Over::kTls) {}

  // Stands in for a controller that dies during the handshake.
  void refuse_connections(int count) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(fake_.port()));
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 8), 0);
    for (int i = 0; i < count; ++i) ::close(::accept(listener, nullptr, nullptr));
    ::close(listener);
  }
};

// That the handshake is driven while nothing else is called shows only between processes: the server's
// threads here drive it, too. tests/e2e kills a real controller.
TEST_F(AttachOverTls, GoesOnAfterARestartOfTheController) {
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "before "); });
  options_.patient = true;
  start(false);
  ASSERT_TRUE(out_text_->wait_for("before "));
  for (int restart = 0; restart < 3; ++restart) {
    fake_.stop();
    ASSERT_TRUE(err_text_->wait_for("lost the controller"));
    refuse_connections(2);
    fake_.serve();
    ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
  }
  fake_.change([](FakeController::Job& job) { job.log += log_record(1, "after"); });
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
  EXPECT_EQ(output_, "before after");
}

TEST_F(Attach, EmptyStdinIsAnEnd) {
  start();
  in_.close_write();
  EXPECT_TRUE(
      fake_.wait_until([](const auto& job) { return job.stdin_eof && job.stdin_bytes.empty(); }));
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
}

TEST_F(Attach, AProgramThatReadsNoMoreLeavesStdinAlone) {
  fake_.change([](FakeController::Job& job) { job.closes_stdin = true; });
  start();
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "sent after it"); });
  ASSERT_TRUE(out_text_->wait_for("sent after it"));
  EXPECT_EQ(::write(in_.fds[1], "unread", 6), 6);
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
  char left[16];
  EXPECT_EQ(::read(in_.fds[0], left, sizeof left), 6) << "it was read, and nobody got it";
}

TEST_F(Attach, NobodyReadsTheOutput) {
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "y\n"); });
  out_.close_read();
  start(false);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kBrokenPipe);
  EXPECT_TRUE(fake_.job().cancelled);
}

TEST_F(Attach, TellsHowFarItHasRead) {
  fake_.change([](FakeController::Job& job) {
    for (int i = 0; i < 40; ++i) job.log += log_record(1, std::string(60'000, 'x'));
    job.chunk_bytes = 60'016;
  });
  start(false);
  EXPECT_TRUE(fake_.wait_until([](const auto& job) { return job.output_read >= 2'000'000; }));
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
}

TEST_F(Attach, SignalsReachTheProgram) {
  start(false, true);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "runs"); });
  ASSERT_TRUE(out_text_->wait_for("runs"));
  for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2, SIGQUIT, SIGHUP}) {
    ::kill(::getpid(), signal);
    EXPECT_TRUE(fake_.wait_until([&](const auto& job) {
      return std::ranges::count(job.signals, signal) == 1;
    })) << signal;
  }
  EXPECT_FALSE(fake_.job().cancelled);
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
}

TEST_F(Attach, TwoInterruptsCancel) {
  start(false, true);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "runs"); });
  ASSERT_TRUE(out_text_->wait_for("runs"));
  ::kill(::getpid(), SIGINT);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.signals.size() == 1; }));
  EXPECT_FALSE(fake_.job().cancelled);
  ::kill(::getpid(), SIGINT);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.cancelled; }));
  fake_.end_with(pb::CANCELLED, pb::END_CANCELLED, 130);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->end.state, JobState::kCancelled);
  EXPECT_EQ(words_, "devrun: cancelling job 42; Ctrl-C again: do not wait for its end\n");
}

TEST_F(Attach, ACancellationWhoseEndDoesNotComeIsNotWaitedForWithoutALimit) {
  options_.cancel_patience = std::chrono::milliseconds(200);
  fake_.change([](FakeController::Job& job) {
    job.state = pb::UNREACHABLE;
    job.reason = "node1 has been silent for 20s";
  });
  start(false, true);
  ASSERT_TRUE(err_text_->wait_for("out of reach"));
  ::kill(::getpid(), SIGINT);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.signals.size() == 1; }));
  ::kill(::getpid(), SIGINT);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kLeft);
  EXPECT_TRUE(fake_.job().cancelled);
  EXPECT_NE(words_.find("job 42 is cancelled, but node1 has been silent for 20s, so that its end "
                        "cannot be seen; it ends when the node is back. Try: devrun show 42"),
            std::string::npos)
      << words_;
}

TEST_F(Attach, AWaitingJobIsCancelledByOneInterrupt) {
  options_.patient = true;
  fake_.change([](FakeController::Job& job) { job.state = pb::QUEUED; });
  start(false, true);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
  ::kill(::getpid(), SIGINT);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.cancelled; }));
  fake_.end_with(pb::CANCELLED, pb::END_CANCELLED, 130);
  ASSERT_TRUE(finish());
}

TEST_F(Attach, ATerminalThatHangsUpDetaches) {
  options_.has_terminal = true;
  start(false, true);
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
  ::kill(::getpid(), SIGHUP);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kHungUp);
  EXPECT_FALSE(fake_.job().cancelled);
}

TEST_F(Attach, LeavesThoughNobodyTakesTheOutput) {
  fake_.change([](FakeController::Job& job) {
    for (int i = 0; i < 20; ++i) job.log += log_record(1, std::string(60'000, 'x'));
  });
  options_.has_terminal = true;
  Pipe full;  // nobody reads it: the write blocks
  Console console(full.fds[1], err_.fds[1]);
  signals_.emplace(std::move(*Signals::take()));
  options_.what = AttemptKey{42, kNoTask, 0, 1};
  AttachSession session(controller_, console, &*signals_, options_);
  auto result = std::async(std::launch::async, [&] { return session.run(); });
  ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
  ::kill(::getpid(), SIGHUP);
  ASSERT_EQ(result.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(result.get()->how, Attached::How::kHungUp);
}

TEST_F(Attach, SaysWhyAJobWaits) {
  fake_.change([](FakeController::Job& job) {
    job.state = pb::QUEUED;
    job.reason = "no node has 8 GPUs";
  });
  start(false);
  const std::string first = "devrun: job 42 waits: no node has 8 GPUs. Try: devrun explain 42\n";
  ASSERT_TRUE(err_text_->wait_for(first));
  fake_.change([](FakeController::Job& job) { job.reason = "node1 is full"; });
  const std::string second = "devrun: job 42 waits: node1 is full. Try: devrun explain 42\n";
  ASSERT_TRUE(err_text_->wait_for(second));
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
  EXPECT_EQ(words_, first + second);
}

TEST_F(Attach, AJobThatNobodyKnows) {
  fake_.stop();
  start(false);
  const auto result = finish();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUnavailable);
}

TEST_F(Attach, PrefixesOfRanks) {
  fake_.change([](FakeController::Job& job) {
    job.log = log_record(1, "one\ntw") + log_record(2, "problem\n") + log_record(1, "o\nend");
  });
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  options_.rank_prefix = "[3] ";
  start(false);
  finish_succeeding();
  EXPECT_EQ(output_, "[3] one\n[3] two\n[3] end\n");
  EXPECT_EQ(words_, "[3] problem\n");
}

}  // namespace
}  // namespace devrun::cli
