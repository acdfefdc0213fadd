// When what is pending is made durable: once it is quiet, after so many in any case, and not at the end.
#include "controller/storage/settler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace devrun::storage {
namespace {

constexpr auto kLong = std::chrono::seconds(60);

class SettlerTest : public ::testing::Test {
 protected:
  // So many calls of `settle` and `commit` at least, before long.
  bool reached(int settled, int committed) {
    std::unique_lock lock(mutex_);
    return called_.wait_for(lock, kLong,
                            [&] { return settled_ >= settled && committed_ >= committed; });
  }
  void count(int& calls) {
    {
      const std::lock_guard lock(mutex_);
      ++calls;
    }
    called_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable called_;
  int settled_ = 0;
  int committed_ = 0;
  Settler settler_{[this] { count(settled_); }, [this] { count(committed_); }};
};

TEST_F(SettlerTest, SettlesABurstOnceAndCommitsItsDeletions) {
  settler_.start();
  for (int i = 0; i < 10; ++i) settler_.taken();
  ASSERT_TRUE(reached(1, 2));
  settler_.stop();
  EXPECT_EQ(settled_, 1);
  EXPECT_EQ(committed_, 2);
}

TEST_F(SettlerTest, SettlesAgainWhatComesLater) {
  settler_.start();
  settler_.taken();
  ASSERT_TRUE(reached(1, 0));
  settler_.taken();
  EXPECT_TRUE(reached(2, 0));
}

TEST_F(SettlerTest, DoesNotWaitForQuietBeyondAHundred) {
  settler_.start();
  // Without a pause, until it gives in.
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop) settler_.taken();
  });
  EXPECT_TRUE(reached(3, 0));
  stop = true;
  busy.join();
}

TEST_F(SettlerTest, CallsNothingOnceStopped) {
  settler_.start();
  settler_.taken();
  settler_.stop();
  const int before = settled_;
  settler_.taken();
  settler_.stop();
  EXPECT_EQ(settled_, before);
}

}  // namespace
}  // namespace devrun::storage
