// Programs that play devrun-gpus: one that stops telling, one that ends, one that says that there is no driver.
#include "agent/gpu/watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "common/runtime/boot_clock.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::gpu {
namespace {

namespace fs = std::filesystem;

class Watched : public ::testing::Test {
 protected:
  Watched() {
    char name[] = "/tmp/devrun-watch-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~Watched() override { fs::remove_all(folder_); }

  Watch::Options options(const std::string& script) {
    return {.words = {"/bin/sh", "-c", "cd " + folder_.string() + "; " + script},
            .lock_file = (folder_ / "lock").string(),
            .hangs_after = milliseconds(300),
            .pause = milliseconds(50)};
  }
  Watch::Calls calls() {
    return {[this](const FoundRound& round) {
              const std::lock_guard lock(mutex_);
              drivers_.push_back(round.driver);
            },
            [this](const std::string& why) {
              const std::lock_guard lock(mutex_);
              silences_.push_back(why);
            }};
  }
  std::vector<std::string> drivers() {
    const std::lock_guard lock(mutex_);
    return drivers_;
  }
  std::vector<std::string> silences() {
    const std::lock_guard lock(mutex_);
    return silences_;
  }

  fs::path folder_;
  std::mutex mutex_;
  std::vector<std::string> drivers_, silences_;
};

// Its own words count its lives.
constexpr const char* kCounts =
    R"(echo x >> lives; echo "{\"drivers\":[\"life $(wc -l < lives)\"],\"gpus\":[]}"; )";

TEST_F(Watched, OneThatHangsIsKilledAndStartedAgain) {
  const Watch watch(options(std::string(kCounts) + "exec sleep 1000"), calls());
  EXPECT_TRUE(agent::wait_for([&] { return drivers().size() >= 2; }));
  EXPECT_EQ(drivers()[0], "life 1");
  EXPECT_EQ(drivers()[1], "life 2");
  ASSERT_FALSE(silences().empty());
  EXPECT_EQ(silences()[0], "devrun-gpus has ended: the driver has told nothing for 300ms");
}

TEST_F(Watched, OneThatEndsIsStartedAgainAndItsWordsAreSaidOnce) {
  const Watch watch(options("echo x >> lives; echo 'nvmlInit: no'; exit 4"), calls());
  const auto lives = [&] {
    std::error_code failed;
    const auto bytes = fs::file_size(folder_ / "lives", failed);
    return failed ? 0 : bytes / 2;
  };
  EXPECT_TRUE(agent::wait_for([&] { return lives() >= 3; }));
  EXPECT_EQ(silences(), (std::vector<std::string>{"devrun-gpus has ended: nvmlInit: no"}));
}

TEST_F(Watched, WithoutADriverThereIsNothingToSay) {
  const Watch watch(options("exit 3"), calls());
  EXPECT_TRUE(agent::wait_for([&] { return !silences().empty(); }));
  EXPECT_EQ(silences()[0], "");
}

TEST_F(Watched, ItsEndWaitsForNobody) {
  Watch::Options stubborn = options("trap '' TERM INT HUP; while :; do sleep 1000; done");
  stubborn.hangs_after = seconds(1000);
  auto watch = std::make_unique<Watch>(stubborn, calls());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_GE(watch->silent_for(), milliseconds(200));
  const Time began = boot_clock();
  watch.reset();
  EXPECT_LT(boot_clock() - began, seconds(5));
}

}  // namespace
}  // namespace devrun::gpu
