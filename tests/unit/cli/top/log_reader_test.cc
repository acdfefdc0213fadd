// One output over a connection that breaks: every byte once, in order, and what is said meanwhile.
#include "cli/top/log_reader.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/client/fake_controller.h"

namespace devrun::cli {
namespace {

const tui::OpenLog kWish{{42, kNoTask, 0, 1}};

// What the reader posted.
class Posts {
 public:
  void add(tui::Event event) {
    const std::lock_guard lock(mutex_);
    if (const auto* bytes = std::get_if<tui::LogBytes>(&event)) {
      bytes_ += bytes->bytes;
      ended_ = ended_ || bytes->ended;
      all_here_ = bytes->all_here;
      reading_ = bytes->reading;
      failed_ = false;
    }
    if (const auto* failed = std::get_if<tui::LogFailed>(&event)) {
      failed_ = true;
      why_ = failed->why;
      ++failures_;
    }
    changed_.notify_all();
  }
  bool wait_until(const std::function<bool(const Posts&)>& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return holds(*this); });
  }
  std::string bytes_, why_;
  bool ended_ = false;
  bool all_here_ = false;
  uint64_t reading_ = 0;
  bool failed_ = false;  // and nothing has come since
  int failures_ = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

TEST(LogReader, GoesOnAtTheByteWhereItBroke) {
  FakeController fake;
  std::string log;
  for (int i = 0; i < 200; ++i) log += log_record(1, "line " + std::to_string(i) + "\n");
  fake.change([&](FakeController::Job& job) {
    job.log = log;
    job.chunk_bytes = 333;
    job.break_after = {1000, 2500};
  });
  fake.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  Controller controller(fake.target());
  Posts posts;
  {
    LogReader reader(controller, kWish, [&](tui::Event event) { posts.add(std::move(event)); });
    EXPECT_TRUE(posts.wait_until([](const Posts& now) { return now.ended_; }));
    reader.stop();
  }
  EXPECT_EQ(posts.bytes_, log);
  EXPECT_EQ(fake.job().attaches, 3);
}

TEST(LogReader, ReadsAPartAndNoMore) {
  FakeController fake;
  std::string log;
  for (int i = 0; i < 200; ++i) log += log_record(1, "line " + std::to_string(i) + "\n");
  fake.change([&](FakeController::Job& job) {
    job.log = log;
    job.chunk_bytes = 333;
    job.break_after = {1500};
  });
  Controller controller(fake.target());
  Posts posts;
  {
    tui::OpenLog part = kWish;
    part.reading = 5;
    part.from = 1000;
    part.upto = 2100;
    LogReader reader(controller, part, [&](tui::Event event) { posts.add(std::move(event)); });
    EXPECT_TRUE(posts.wait_until([](const Posts& now) { return now.all_here_; }));
    reader.stop();
  }
  EXPECT_EQ(posts.bytes_, log.substr(1000, 1100));
  EXPECT_EQ(posts.reading_, 5u);
  EXPECT_FALSE(posts.ended_);
}

TEST(LogReader, SaysThatTheControllerIsAwayAndThatItIsBack) {
  FakeController fake;
  const std::string first = log_record(1, "before\n"), second = log_record(1, "after\n");
  fake.change([&](FakeController::Job& job) { job.log = first; });
  Controller controller(fake.target());
  Posts posts;
  {
    LogReader reader(controller, kWish, [&](tui::Event event) { posts.add(std::move(event)); });
    ASSERT_TRUE(posts.wait_until([&](const Posts& now) { return now.bytes_ == first; }));
    fake.stop();
    ASSERT_TRUE(posts.wait_until([](const Posts& now) { return now.failed_; }));
    EXPECT_NE(posts.why_.find("goes on when the controller is back"), std::string::npos)
        << posts.why_;
    fake.serve();
    // Nothing new is written: that it is back is told by itself.
    ASSERT_TRUE(posts.wait_until([](const Posts& now) { return !now.failed_; }));
    fake.change([&](FakeController::Job& job) { job.log += second; });
    EXPECT_TRUE(posts.wait_until([&](const Posts& now) { return now.bytes_ == first + second; }));
    EXPECT_EQ(posts.failures_, 1) << "once for a break";
    reader.stop();
  }
}

TEST(LogReader, EndsSoonWhileNothingComesAndWhileNobodyIsThere) {
  Posts posts;
  {
    FakeController fake;
    Controller controller(fake.target());
    LogReader reader(controller, kWish, [&](tui::Event event) { posts.add(std::move(event)); });
    ASSERT_TRUE(
        fake.wait_until([](const FakeController::Job& job) { return job.attached_now == 1; }));
    reader.stop();
  }
  FakeController fake;
  const Target gone = fake.target();
  fake.stop();
  Controller controller(gone);
  LogReader reader(controller, kWish, [&](tui::Event event) { posts.add(std::move(event)); });
  reader.stop();
}

}  // namespace
}  // namespace devrun::cli
