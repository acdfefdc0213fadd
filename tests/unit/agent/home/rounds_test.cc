// Rounds while programs run and after their end, against a controller that comes and goes.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "agent/home/homes.h"
#include "tests/unit/agent/home/overlay.h"
#include "tests/unit/agent/home/store.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::home {
namespace {

namespace fs = std::filesystem;
using agent::wait_for;

constexpr AttemptKey kKey{.job = 7};

class OneAttempt final : public sandbox::WrittenPlaces {
 public:
  Result<sandbox::WrittenPlace> written_place(const AttemptKey& key) override {
    if (key != kKey) return Error{Code::kNotFound, "not here", {}};
    const std::lock_guard lock(mutex);
    sandbox::WrittenPlace out = place;
    out.settled = settled;
    out.left = left;
    return out;
  }
  Status settle_written(const AttemptKey&) override {
    settled = true;
    return ok();
  }
  Status leave_written(const AttemptKey&) override {
    left = true;
    return ok();
  }
  std::mutex mutex;
  sandbox::WrittenPlace place;
  std::atomic<bool> settled = false;
  std::atomic<bool> left = false;
};

class RoundsTest : public testing::Test {
 protected:
  void SetUp() override {
    write(overlay_.lower() / "root/proj/edited", "before");
    overlay_.mount();
    const UpperView view = overlay_.view();
    place_.place = {view.upper, view.lower, view.rules, view.caller_home};
    begin();
  }
  void begin() {
    homes_.reset();
    homes_ = std::make_unique<Homes>(store_.channel(), place_);
    homes_->begin();
  }
  fs::path job(const std::string& path) const { return overlay_.merged() / path; }
  bool has(const std::string& path, const std::string& bytes) {
    return wait_for([&] { return store_.bytes(kKey, path) == bytes; });
  }

  Overlay overlay_;
  Store store_;
  OneAttempt place_;
  std::unique_ptr<Homes> homes_;
};

TEST_F(RoundsTest, CompleteFilesComeWhileItRuns) {
  homes_->started(kKey);
  write(job("root/proj/out/x"), pattern(5000));
  write(job("root/proj/edited"), "after");
  write(job("usr/kept"), "k");  // waits for the end
  EXPECT_TRUE(has("root/proj/out/x", pattern(5000)));
  EXPECT_TRUE(has("root/proj/edited", "after"));
  EXPECT_EQ(store_.bytes(kKey, "usr/kept"), "-");
  const auto done = homes_->finish(kKey);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->failure, "");
  EXPECT_EQ(store_.bytes(kKey, "usr/kept"), "k");
  EXPECT_EQ(store_.bytes_received(), 5000u) << "each file once";
  EXPECT_TRUE(place_.settled);
}

TEST_F(RoundsTest, WhatIsToldOnceIsNotToldAgain) {
  homes_->started(kKey);
  write(job("root/proj/x"), "x");
  ASSERT_TRUE(has("root/proj/x", "x"));
  write(job("root/proj/y"), "y");
  ASSERT_TRUE(has("root/proj/y", "y"));
  EXPECT_FALSE(store_.kept(kKey).told.contains("root/proj/x"));
}

// Written through a descriptor or a mapping: only what is whole travels.
TEST_F(RoundsTest, FilesThatAreBeingWrittenAreNotComplete) {
  homes_->started(kKey);
  const std::string large = pattern(65 << 20);
  const int file = ::open(job("root/proj/half").c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::write(file, large.data(), large.size()), static_cast<ssize_t>(large.size()));
  const int mapped = ::open(job("root/proj/mapped").c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::ftruncate(mapped, 65 << 20), 0);
  void* const memory = ::mmap(nullptr, 65 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
  ::close(mapped);
  ASSERT_NE(memory, MAP_FAILED);
  write(job("root/proj/whole"), "w");
  EXPECT_TRUE(has("root/proj/whole", "w"));
  write(job("root/proj/whole2"), "w");
  EXPECT_TRUE(has("root/proj/whole2", "w"));
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/half") == "-");
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/mapped") == "-");
  ::munmap(memory, 65 << 20);
  ::close(file);
  EXPECT_TRUE(has("root/proj/half", large));
}

TEST_F(RoundsTest, LogsComeWhileTheyGrow) {
  homes_->started(kKey);
  std::ofstream log(job("root/proj/log"), std::ios::app);
  // By opening and closing, again and again.
  const auto append = [&](const std::string& text) {
    std::ofstream(job("root/proj/log2"), std::ios::app) << text;
  };
  std::string all;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::lock_guard lock(mutex);
      all += "line " + std::to_string(i) + "\n";
      log << "line " << i << std::endl;
      append("line " + std::to_string(i) + "\n");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const auto stored = [&] { return store_.bytes(kKey, "root/proj/log"); };
  EXPECT_TRUE(wait_for([&] { return stored() != "-"; }));
  const std::string first = stored();
  EXPECT_TRUE(wait_for([&] { return stored().size() > first.size(); }));
  EXPECT_TRUE(wait_for([&] { return store_.bytes(kKey, "root/proj/log2") != "-"; }));
  {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(all.starts_with(stored()));
  }
  stop = true;
  writer.join();
  log.close();
  homes_->finish(kKey);
  EXPECT_EQ(stored(), all);
}

// Each version is told by its first byte, of which all others are copies.
TEST_F(RoundsTest, OfAFileRewrittenAgainAndAgainOnlyWholeVersionsTravel) {
  homes_->started(kKey);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (char version = 'a'; !stop;
         version = version == 'z' ? 'a' : static_cast<char>(version + 1)) {
      write(job("root/proj/checkpoint"), std::string(3 << 20, version));
      // Most are replaced long before they have rested; each third rests until it has come.
      const auto has_come = [&] {
        return store_.bytes(kKey, "root/proj/checkpoint").front() == version;
      };
      for (int i = 0; !stop && (version % 3 == 0 ? !has_come() : i < 100); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  });
  std::set<char> seen;
  EXPECT_TRUE(wait_for([&] {
    const std::string bytes = store_.bytes(kKey, "root/proj/checkpoint");
    if (bytes == "-") return false;
    EXPECT_TRUE(bytes == std::string(3 << 20, bytes.front()));
    seen.insert(bytes.front());
    return seen.size() >= 2;
  }));
  stop = true;
  writer.join();
  EXPECT_EQ(store_.most_at_once(), 1);
}

TEST_F(RoundsTest, DatabasesComeAtTheEnd) {
  homes_->started(kKey);
  write(job("root/proj/db"), std::string("SQLite format 3\0", 16) + pattern(5000));
  write(job("root/proj/db-wal"), "wal");
  write(job("root/proj/x"), "x");
  ASSERT_TRUE(has("root/proj/x", "x"));
  write(job("root/proj/y"), "y");
  ASSERT_TRUE(has("root/proj/y", "y"));
  EXPECT_EQ(store_.bytes(kKey, "root/proj/db"), "-");
  EXPECT_EQ(store_.bytes(kKey, "root/proj/db-wal"), "-");
  homes_->finish(kKey);
  EXPECT_EQ(store_.bytes(kKey, "root/proj/db-wal"), "wal");
}

TEST_F(RoundsTest, TheLastRoundWaitsForAControllerThatIsAway) {
  write(job("root/proj/x"), pattern(3 << 20));
  store_.go_away();
  std::atomic<bool> finished = false;
  std::optional<HomeSummary> done;
  std::thread finishing([&] {
    done = homes_->finish(kKey);
    finished = true;
  });
  store_.come_back();
  store_.fail(grpc::StatusCode::UNAVAILABLE, 1 << 20, 2);
  finishing.join();
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->failure, "");
  EXPECT_TRUE(store_.bytes(kKey, "root/proj/x") == pattern(3 << 20));
}

TEST_F(RoundsTest, AFullStoreIsToldAndOwed) {
  write(job("root/proj/x"), "x");
  store_.fail(grpc::StatusCode::RESOURCE_EXHAUSTED);
  const auto done = homes_->finish(kKey);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->failure, "told to fail");
  EXPECT_EQ(done->hint, "devrun apply 7");
  EXPECT_FALSE(place_.settled);
  place_.place.ended = true;
  homes_->bring(kKey);
  EXPECT_TRUE(has("root/proj/x", "x"));
  EXPECT_TRUE(wait_for([&] { return place_.settled.load(); }));
}

TEST_F(RoundsTest, WhatNobodyWaitsForIsLeftUntilSomebodyAsks) {
  write(job("root/proj/x"), pattern(3 << 20));
  store_.go_away();
  std::optional<HomeSummary> done;
  std::thread finishing([&] { done = homes_->finish(kKey); });
  homes_->leave(kKey);
  finishing.join();
  ASSERT_TRUE(done.has_value());
  EXPECT_NE(done->failure, "");
  EXPECT_EQ(done->hint, "devrun apply 7");
  // Nor later, by itself, or by the next agent.
  store_.come_back();
  place_.place.released = true;
  homes_->released(kKey);
  begin();
  EXPECT_NE(homes_->finish(kKey)->failure, "");
  homes_->released(kKey);
  EXPECT_EQ(store_.bytes(kKey, "root/proj/x"), "-");
  EXPECT_FALSE(place_.settled);
  homes_->bring(kKey);
  EXPECT_TRUE(has("root/proj/x", pattern(3 << 20)));
  EXPECT_TRUE(wait_for([&] { return place_.settled.load(); }));
}

TEST_F(RoundsTest, AnOutcomeThatIsLeftEndsTheRoundUnderWay) {
  write(job("root/proj/x"), pattern(200 << 20));
  std::optional<HomeSummary> done;
  std::thread finishing([&] { done = homes_->finish(kKey); });
  EXPECT_TRUE(wait_for([&] { return store_.bytes_received() > 0; }));
  homes_->leave(kKey);
  finishing.join();
  ASSERT_TRUE(done.has_value());
  EXPECT_NE(done->failure, "");
  EXPECT_FALSE(store_.kept(kKey).complete);
}

TEST_F(RoundsTest, AStoppingAgentLeavesItToTheNext) {
  write(job("root/proj/x"), pattern(3 << 20));
  store_.go_away();
  std::optional<HomeSummary> done;
  std::thread finishing([&] { done = homes_->finish(kKey); });
  homes_->stop();
  finishing.join();
  EXPECT_FALSE(done.has_value());
  EXPECT_FALSE(place_.settled);
  store_.come_back();
  begin();
  EXPECT_TRUE(homes_->finish(kKey).has_value());
  EXPECT_TRUE(store_.kept(kKey).complete);
}

TEST_F(RoundsTest, WhatWasReleasedUnstoredIsStoredLater) {
  homes_->started(kKey);
  write(job("root/proj/x"), "x");
  place_.place.released = true;
  homes_->released(kKey);
  EXPECT_TRUE(has("root/proj/x", "x"));
  EXPECT_TRUE(wait_for([&] { return place_.settled.load(); }));
}

TEST_F(RoundsTest, NobodysIsSettledAndDiscardedIsNotTold) {
  write(job("root/proj/x"), "x");
  place_.place.results = Results::kDiscard;
  EXPECT_FALSE(homes_->finish(kKey).has_value());
  EXPECT_EQ(store_.calls(), 0);
  place_.place.results = Results::kHome;
  store_.fail(grpc::StatusCode::NOT_FOUND);
  EXPECT_NE(homes_->finish(kKey)->failure, "");
  EXPECT_TRUE(place_.settled);
}

}  // namespace
}  // namespace devrun::home
