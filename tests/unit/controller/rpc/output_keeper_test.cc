// What is kept of jobs' output, and that nothing goes that somebody may still want, whatever was killed in between.
#include "controller/rpc/output_keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/file.h"

namespace devrun::controller {
namespace {

namespace fs = std::filesystem;

constexpr Duration kDay = seconds(86'400);
constexpr Duration kMonth{30 * kDay.us};

struct Kept : ::testing::Test {
  Kept() {
    std::string pattern = "/tmp/devrun-output-XXXXXX";
    jobs = ::mkdtemp(pattern.data());
  }
  ~Kept() override { fs::remove_all(jobs); }
  // `age` in days before now.
  void put(const std::string& path, size_t bytes, int64_t age = 0) {
    const fs::path file = jobs + "/" + path;
    ASSERT_TRUE(make_folders(file.parent_path().string()));
    std::ofstream(file) << std::string(bytes, 'x');
    for (fs::path at = file; at != jobs; at = at.parent_path()) {
      const timespec when{(now.us - age * kDay.us) / 1'000'000, 0};
      const timespec both[] = {when, when};
      ASSERT_EQ(::utimensat(AT_FDCWD, at.c_str(), both, 0), 0);
    }
  }
  bool has(const std::string& path) { return fs::exists(jobs + "/" + path); }
  OutputKeeper::Passed pass(OutputKeeper& keeper, const OutputKeeper::Owners& owners,
                            JobId next = 1000) {
    const auto passed = keeper.pass(owners, next, now, stop);
    EXPECT_TRUE(passed) << passed.error().message;
    return passed ? *passed : OutputKeeper::Passed{};
  }
  Time days_ago(int64_t days) const { return now + Duration{-days * kDay.us}; }

  std::string jobs;
  Time now{seconds(2'000'000'000).us};
  std::atomic<bool> stop = false;
};

TEST_F(Kept, IsCountedByUser) {
  put("1/-.0.1/output", 100);
  put("2/0.0.1/output", 10);
  put("2/1.0.2/output", 20);
  put("2/1.0.2/changes", 500);
  put("3/-.0.1/output", 5);
  put("4/-.0.1/output", 7);
  OutputKeeper keeper(jobs, seconds(0), kMonth);
  const OutputKeeper::Owners owners = {
      {1, {"ada", {}}}, {2, {"bob", days_ago(1)}}, {3, {"ada", days_ago(900)}}};
  for (int i = 0; i < 2; ++i) {
    const auto passed = pass(keeper, owners);
    EXPECT_EQ(passed.bytes.at("ada"), 105);
    EXPECT_EQ(passed.bytes.at("bob"), 30);
    EXPECT_EQ(passed.bytes.at(""), 7);
    EXPECT_EQ(passed.removed, 0u) << "0 is for ever";
  }
}

TEST_F(Kept, GoesByItsAgeAndLeavesChangeSetsOfWhatIsRemembered) {
  put("1/-.0.1/output", 100, 90);  // lives, and has not said anything lately
  put("2/-.0.1/output", 100, 31);
  put("2/-.0.1/changes", 10, 31);
  put("3/-.0.1/output", 100, 29);
  OutputKeeper keeper(jobs, kMonth, kMonth);
  const OutputKeeper::Owners owners = {
      {1, {"ada", {}}}, {2, {"ada", days_ago(31)}}, {3, {"ada", days_ago(29)}}};
  EXPECT_EQ(pass(keeper, owners).removed, 1u);
  EXPECT_TRUE(has("1/-.0.1/output"));
  EXPECT_FALSE(has("2/-.0.1/output"));
  EXPECT_TRUE(has("2/-.0.1/changes"));
  EXPECT_TRUE(has("3/-.0.1/output"));
  EXPECT_EQ(pass(keeper, owners).removed, 0u);
  // What was counted before goes in its time, too.
  now = now + Duration{2 * kDay.us};
  const auto later = pass(keeper, owners);
  EXPECT_EQ(later.removed, 1u);
  EXPECT_EQ(later.bytes.at("ada"), 100);
  EXPECT_FALSE(has("3/-.0.1/output"));
}

TEST_F(Kept, OfWhatNobodyKnowsOnlyWhatIsOldGoesAndThenAllOfIt) {
  put("5/-.0.1/output", 100, 31);
  put("5/-.0.1/changes", 10, 31);
  put("5/.unknown", 0, 31);
  put("6/-.0.1/output", 100, 31);
  put("6/-.0.2/changes", 100, 3);
  put("6/.unknown", 0, 31);
  put("2000/-.0.1/output", 100, 31);  // of a number that will be given
  put("notes", 3, 90);
  OutputKeeper keeper(jobs, kMonth, kMonth);
  EXPECT_EQ(pass(keeper, {}).removed, 1u);
  EXPECT_FALSE(has("5"));
  EXPECT_TRUE(has("6/-.0.1/output"));
  EXPECT_TRUE(has("2000/-.0.1/output"));
  EXPECT_FALSE(has("2000/.unknown"));
  EXPECT_TRUE(has("notes"));
}

// The controller went back to a backup of long ago: what came since is old, and unknown from now on alone.
TEST_F(Kept, WhatNobodyKnowsAnyMoreIsKeptFromWhenThatWasFound) {
  put("5/-.0.1/output", 100, 40);
  put("5/-.0.1/changes", 10, 40);
  OutputKeeper keeper(jobs, Duration{kDay.us / 24}, kMonth);  // output is kept for an hour
  EXPECT_EQ(pass(keeper, {}).removed, 0u);
  now = now + Duration{29 * kDay.us};
  EXPECT_EQ(pass(keeper, {}).removed, 0u);
  EXPECT_TRUE(has("5/-.0.1/changes"));
  // Known for a while, by a journal that was brought back.
  const OutputKeeper::Owners owners = {{5, {"ada", {}}}};
  pass(keeper, owners);
  EXPECT_FALSE(has("5/.unknown"));
  now = now + Duration{2 * kDay.us};
  EXPECT_EQ(pass(keeper, {}).removed, 0u);
  now = now + Duration{31 * kDay.us};
  EXPECT_EQ(pass(keeper, {}).removed, 1u);
  EXPECT_FALSE(has("5"));
}

TEST_F(Kept, WhatAKilledPassLeftGoesWithTheNext) {
  put(".going.7/-.0.1/output", 100);
  put("8/-.0.1/output", 1);
  OutputKeeper keeper(jobs, kMonth, kMonth);
  pass(keeper, {});
  EXPECT_FALSE(has(".going.7"));
  EXPECT_TRUE(has("8/-.0.1/output"));
}

TEST_F(Kept, StopsWhenTheControllerDoes) {
  put("5/-.0.1/output", 100, 31);
  stop = true;
  OutputKeeper keeper(jobs, kMonth, kMonth);
  EXPECT_FALSE(keeper.pass({}, 1000, now, stop));
  EXPECT_TRUE(has("5/-.0.1/output"));
}

}  // namespace
}  // namespace devrun::controller
