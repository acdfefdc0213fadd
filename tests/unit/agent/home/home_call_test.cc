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
    return HomeCall(store_.channel()).run({kKey, final, *reader, sent_});
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

// A file with data at some places alone.
void write_sparse(const fs::path& path, uint64_t size, const std::vector<uint64_t>& places,
                  char byte = 'x') {
  const UniqueFd file(::open(path.c_str(), O_CREAT | O_RDWR, 0644));
  ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
  for (const uint64_t at : places) {
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, static_cast<off_t>(at)), 1);
  }
}

// Of named files and of those that get their names while they are sent; also for a controller that knows no holes.
TEST_F(HomeCallTest, HolesAreZerosAndNotSent) {
  const std::vector<uint64_t> places = {0, 5 << 20, (9 << 20) - 1, (20 << 20) + 7};
  for (const bool takes : {false, true}) {
    if (takes) store_.take_zeros();
    for (const uint64_t size : {uint64_t{21} << 20, (uint64_t{70} << 20) + 9}) {
      for (const bool final : {false, true}) {
        const std::string name =
            "sparse" + std::to_string(size) + (takes ? "t" : "") + (final ? "f" : "");
        const fs::path path = job("root/proj") / name;
        fs::create_directories(path.parent_path());
        // A body of its own.
        const char byte = static_cast<char>('a' + 2 * takes + final);
        write_sparse(path, size, places, byte);
        const uint64_t before = store_.bytes_received();
        const auto done = round(final);
        ASSERT_TRUE(done.has_value()) << done.error().message;
        std::string expected(size, '\0');
        for (const uint64_t at : places) expected[at] = byte;
        EXPECT_TRUE(store_.bytes(kKey, "root/proj/" + name) == expected) << name;
        const uint64_t sent = store_.bytes_received() - before;
        EXPECT_TRUE(takes ? sent <= 6u << 20 : sent == size) << name << ": " << sent;
        fs::remove(path);
      }
    }
  }
}

TEST_F(HomeCallTest, NothingButAHoleIsOneMessage) {
  store_.take_zeros();
  fs::create_directories(job("root/proj"));
  write_sparse(job("root/proj/hole"), uint64_t{300} << 20, {});
  ASSERT_TRUE(round().has_value());
  EXPECT_EQ(store_.bytes_received(), 0u);
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/hole") == std::string(size_t{300} << 20, '\0'));
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
  HomeCall call(store_.channel());
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
