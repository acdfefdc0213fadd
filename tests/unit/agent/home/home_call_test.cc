// One round over real gRPC.
#include "agent/home/home_call.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "tests/unit/agent/home/overlay.h"
#include "tests/unit/agent/home/store.h"

namespace devrun::home {
namespace {

namespace fs = std::filesystem;

constexpr AttemptKey kKey{.job = 7};

class HomeCallTest : public testing::Test {
 protected:
  void SetUp() override { overlay_.mount(); }
  fs::path job(const std::string& path) const { return overlay_.merged() / path; }
  Result<std::optional<HomeSummary>> round(bool final = true, Choose choose = {}) {
    auto reader = *UpperReader::open(overlay_.view(), std::move(choose));
    const auto stub = store_.stub();
    return HomeCall(*stub).run({kKey, final, *reader, sent_});
  }

  Overlay overlay_;
  Store store_;
  SentFiles sent_;
};

TEST_F(HomeCallTest, NothingWrittenIsNoCall) {
  const auto done = round();
  ASSERT_TRUE(done.has_value());
  EXPECT_FALSE(done->has_value());
  EXPECT_EQ(store_.calls(), 0);
}

TEST_F(HomeCallTest, FilesOfAllSizesArrive) {
  std::map<std::string, std::string> files;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{512}, size_t{513}, size_t{4096},
                            size_t{1} << 20, (size_t{1} << 20) + 1, size_t{5'000'000}}) {
    files["root/proj/f" + std::to_string(size)] = pattern(size, static_cast<int>(size));
  }
  files["root/proj/large"] = pattern((64 << 20) + 77);
  for (const auto& [path, bytes] : files) write(job(path), bytes);
  const auto done = round();
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ((*done)->files, files.size());
  for (const auto& [path, bytes] : files) EXPECT_TRUE(store_.bytes(kKey, path) == bytes) << path;
  EXPECT_TRUE(store_.kept(kKey).told.at("root/proj/large").unnamed());
  EXPECT_TRUE(store_.kept(kKey).complete);
}

TEST_F(HomeCallTest, HolesAreZeros) {
  const int file = ::open((overlay_.folder() / "upper/sparse").c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::ftruncate(file, 3 << 20), 0);
  ASSERT_EQ(::pwrite(file, "x", 1, 2 << 20), 1);
  ::close(file);
  ASSERT_TRUE(round().has_value());
  std::string expected(3 << 20, '\0');
  expected[2 << 20] = 'x';
  EXPECT_TRUE(store_.bytes(kKey, "sparse") == expected);
}

TEST_F(HomeCallTest, ManySmallFilesAndLongPaths) {
  for (int i = 0; i < 3000; ++i) {
    write(job("root/proj/many/" + std::string(200, 'n') + std::to_string(i)), pattern(700, i));
  }
  ASSERT_TRUE(round().has_value());
  EXPECT_EQ(store_.kept(kKey).files.size(), 3000u);
}

TEST_F(HomeCallTest, WhatIsThereIsNotSentAgain) {
  write(job("root/proj/a"), pattern(100'000));
  ASSERT_TRUE(round(false).has_value());
  const uint64_t received = store_.bytes_received();
  EXPECT_EQ(received, 100'000u);
  ASSERT_TRUE(round(true).has_value());
  EXPECT_EQ(store_.bytes_received(), received);
}

// Also a large one, whose name is known only once it was sent.
TEST_F(HomeCallTest, LargeFilesOfAPartialRoundAreNotSentAgain) {
  write(job("root/proj/large"), pattern(64 << 20));
  ASSERT_TRUE(round(false).has_value());
  ASSERT_TRUE(round(true).has_value());
  EXPECT_EQ(store_.bytes_received(), uint64_t{64} << 20);
}

TEST_F(HomeCallTest, FailuresAreToldByTheirCode) {
  write(job("root/proj/a"), pattern(5 << 20));
  const std::map<grpc::StatusCode, Code> codes = {
      {grpc::StatusCode::RESOURCE_EXHAUSTED, Code::kExhausted},
      {grpc::StatusCode::NOT_FOUND, Code::kNotFound},
      {grpc::StatusCode::FAILED_PRECONDITION, Code::kConflict},
      {grpc::StatusCode::UNAVAILABLE, Code::kUnavailable}};
  for (const auto& [code, expected] : codes) {
    for (const uint64_t after : {uint64_t{0}, uint64_t{2} << 20}) {
      store_.fail(code, after);
      const auto done = round();
      ASSERT_FALSE(done.has_value());
      EXPECT_EQ(done.error().code, expected) << after;
    }
  }
  EXPECT_TRUE(round().has_value());
}

TEST_F(HomeCallTest, AFileThatChangesWhileItIsSentIsLeftOut) {
  write(job("root/proj/a"), pattern(600));
  write(job("root/proj/b"), pattern(30 << 20));
  write(job("root/proj/c"), pattern(700));
  // Between its being told and being sent.
  const auto done = round(false, [&](const Seen& seen) {
    if (seen.path == "root/proj/c") std::ofstream(job("root/proj/b"), std::ios::app) << "more";
    return Choice{};
  });
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/a") == pattern(600));
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/b") == "-");
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/c") == pattern(700));
}

TEST_F(HomeCallTest, AControllerThatIsAwayIsUnavailable) {
  write(job("root/proj/a"), "a");
  store_.go_away();
  const auto done = round();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kUnavailable);
}

TEST_F(HomeCallTest, CancelledItEndsSoon) {
  write(job("root/proj/a"), pattern(200 << 20));
  auto reader = *UpperReader::open(overlay_.view());
  const auto stub = store_.stub();
  HomeCall call(*stub);
  std::thread canceller([&] {
    while (store_.bytes_received() == 0) std::this_thread::yield();
    call.cancel();
  });
  const auto done = call.run({kKey, true, *reader, sent_});
  canceller.join();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace devrun::home
