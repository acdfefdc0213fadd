// A snapshot holds what was there at the call, however it got there and whatever happens
// meanwhile.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "common/runtime/file.h"
#include "common/tree/codec.h"
#include "controller/storage/export_files.h"
#include "controller/storage/live_builder.h"
#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

struct timespec changed(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
  return st.st_ctim;
}

// So long that no stamp of now can be that of the file.
void wait_until_old(const std::string& path) {
  const struct timespec then = changed(path);
  for (;;) {
    struct timespec now {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const int64_t ns =
        (int64_t{now.tv_sec} - then.tv_sec) * 1'000'000'000 + now.tv_nsec - then.tv_nsec;
    if (ns > 60'000'000) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

class ExactnessTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (!IsSkipped()) create("v");
  }

  std::string text(const Snapshot& taken, const std::string& path) {
    const TreeView view = view_tree(storage_->export_path(), taken.tree);
    return view.has(path) ? content_of(storage_->export_path(), view.entries.at(path))
                          : "no such entry";
  }
  std::string text_now(const std::string& path) {
    const Result<Snapshot> taken = storage_->take_snapshot("v");
    EXPECT_TRUE(taken) << taken.error().message;
    return taken ? text(*taken, path) : "no snapshot";
  }
  // Its times as they were, as tar, rsync and pip set them.
  void keep_times(const std::string& path, const std::function<void()>& change) {
    struct stat st {};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    change();
    const timespec times[2] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
};

TEST_P(ExactnessTest, ReplacedByRename) {
  for (int i = 0; i < 10; ++i) {
    const std::string content = fmt::format("{:02000}", i);
    write_text(live("new"), content);
    if (i > 0) {
      shell("touch -r " + live("f") + " " + live("new"));
    }
    ASSERT_EQ(::rename(live("new").c_str(), live("f").c_str()), 0);
    EXPECT_EQ(text_now("f"), content);
  }
}

TEST_P(ExactnessTest, TruncatedAndRewrittenToTheSameSize) {
  write_text(live("f"), std::string(3000, '-'));
  text_now("f");
  for (const bool old : {false, true}) {
    if (old) wait_until_old(live("f"));
    const std::string content = old ? std::string(3000, 'o') : std::string(3000, 'n');
    keep_times(live("f"), [&] { write_text(live("f"), content); });
    EXPECT_EQ(text_now("f"), content);
  }
}

// The second store goes to a page that is dirty already: without a flush before, it stamps nothing.
TEST_P(ExactnessTest, WrittenThroughADirtyMapping) {
  constexpr size_t kBytes = 3 * 4096;
  write_text(live("f"), std::string(kBytes, '.'));
  const UniqueFd fd = *open_file(live("f"), O_RDWR);
  void* const mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  char* const at = static_cast<char*>(mapped);
  for (const char c : {'a', 'b'}) {
    at[5000] = c;
    // It was changed long ago, as far as stamps tell.
    wait_until_old(live("f"));
    EXPECT_EQ(text_now("f")[5000], c);
    at[5000] = '!';
    EXPECT_EQ(text_now("f")[5000], '!');
  }
  ::munmap(mapped, kBytes);
}

// A writer goes over the file block by block, round after round: at any instant the blocks before
// some place are of one round, and those after it of the round before.
class Rounds {
 public:
  static constexpr size_t kBlock = 16 << 10;
  static constexpr size_t kBlocks = 300;

  Rounds(const std::string& path, std::chrono::microseconds pause) {
    write_text(path, std::string(kBlock * kBlocks, '\0'));
    fd_ = *open_file(path, O_WRONLY);
    writer_ = std::thread([this, pause] { write(pause); });
  }
  ~Rounds() {
    stop_ = true;
    writer_.join();
  }

  static bool is_an_instant(const std::string& content) {
    if (content.size() != kBlock * kBlocks) return false;
    const auto round = [&](size_t i) { return static_cast<uint8_t>(content[i]); };
    size_t steps = 0;
    for (size_t i = 1; i < content.size(); ++i) {
      if (round(i) == round(i - 1)) continue;
      if (i % 4096 != 0 || static_cast<uint8_t>(round(i) + 1) != round(i - 1)) return false;
      ++steps;
    }
    return steps <= 1;
  }

 private:
  void write(std::chrono::microseconds pause) {
    for (uint8_t round = 1; !stop_; ++round) {
      const std::string block(kBlock, static_cast<char>(round));
      for (size_t i = 0; i < kBlocks && !stop_; ++i) {
        if (::pwrite(fd_.get(), block.data(), kBlock, static_cast<off_t>(i * kBlock)) < 0) return;
      }
      std::this_thread::sleep_for(pause);
    }
  }

  UniqueFd fd_;
  std::atomic<bool> stop_ = false;
  std::thread writer_;
};

TEST_P(ExactnessTest, ChangedWhileItIsCopied) {
  // A whole file is one instant, or there is no snapshot and the file is named.
  int good = 0;
  {
    const Rounds rounds(live("busy"), std::chrono::milliseconds(15));
    for (int i = 0; i < 300 && good < 6; ++i) {
      const Result<Snapshot> taken = storage_->take_snapshot("v");
      if (!taken) {
        EXPECT_EQ(taken.error().code, Code::kConflict) << taken.error().message;
        EXPECT_NE(taken.error().message.find("/busy: "), std::string::npos)
            << taken.error().message;
        continue;
      }
      ++good;
      EXPECT_TRUE(Rounds::is_an_instant(text(*taken, "busy")));
    }
  }
  EXPECT_EQ(good, 6);
  EXPECT_EQ(text_now("busy"), read_text(live("busy")));
}

// A write stamps the file when it begins: a snapshot in the middle of a long one has the stamp that
// the file keeps afterwards.
TEST_P(ExactnessTest, SnapshotInTheMiddleOfALongWrite) {
  constexpr size_t kBytes = 48 << 20;
  constexpr int kRounds = 6;
  const std::string path = live("long");
  write_text(path, std::string(kBytes, '-'));
  text_now("long");
  for (int i = 0; i < kRounds; ++i) {
    const std::string content(kBytes, static_cast<char>('a' + i));
    const struct timespec before = changed(path);
    std::atomic<bool> written = false;
    std::thread writer([&] {
      const UniqueFd fd = *open_file(path, O_WRONLY);
      EXPECT_EQ(::pwrite(fd.get(), content.data(), kBytes, 0), static_cast<ssize_t>(kBytes));
      written = true;
    });
    const auto begun = [&] {
      const struct timespec now = changed(path);
      return now.tv_sec != before.tv_sec || now.tv_nsec != before.tv_nsec;
    };
    while (!begun() && !written) std::this_thread::yield();
    if (i % 2 == 1) wait_until_old(path);
    const Result<Snapshot> taken = storage_->take_snapshot("v");
    writer.join();
    EXPECT_TRUE(taken || taken.error().code == Code::kConflict) << taken.error().message;
    EXPECT_TRUE(text_now("long") == content) << "round " << i;
  }
}

// Names that come and go beside it, and folders that move: what stays is in every snapshot.
TEST_P(ExactnessTest, OtherNamesComeAndGo) {
  shell("mkdir -p " + live("d/stays/e") + " && for i in 1 2 3 4 5 6 7 8 9; do echo $i > " +
        live("d/stays/e/$i") + "; echo $i > " + live("d/$i") + "; done");
  std::atomic<bool> stop = false;
  std::thread other([&] {
    for (int i = 0; !stop; ++i) {
      const std::string name = live(fmt::format("d/temporary{}", i % 7));
      write_text(name, "x");
      ::rename(name.c_str(), live("d/renamed").c_str());
      ::rename(live("d/renamed").c_str(), live("d/again").c_str());
      ::unlink(live("d/again").c_str());
      if (i % 50 == 0) ::mkdir(live("d/folder").c_str(), 0700);
      if (i % 50 == 25) ::rmdir(live("d/folder").c_str());
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  for (int i = 0; i < 10; ++i) {
    const Result<Snapshot> taken = storage_->take_snapshot("v");
    if (!taken) {
      EXPECT_EQ(taken.error().code, Code::kConflict) << taken.error().message;
      continue;
    }
    const TreeView view = view_tree(storage_->export_path(), taken->tree);
    for (int n = 1; n <= 9; ++n) {
      EXPECT_TRUE(view.has(fmt::format("d/{}", n)) && view.has(fmt::format("d/stays/e/{}", n)));
    }
  }
  stop = true;
  other.join();
}

INSTANTIATE_TEST_SUITE_P(On, ExactnessTest, kEveryFileSystem, name_of_parameter);

// Where the kernel's stamps of changes are coarse, as before 6.13, a young file is waited for.
class CoarseStampsTest : public DriverTest {};

TEST_P(CoarseStampsTest, ChangesWithinATickAreSeen) {
  if (IsSkipped()) return;
  ASSERT_TRUE(make_folders(store() + "/v/live"));
  ASSERT_TRUE(make_export_folders(store() + "/export"));
  const std::string path = store() + "/v/live/busy";
  Bodies bodies(store() + "/export");
  const std::unique_ptr<Driver> driver = *Driver::of(store());
  const Rounds rounds(path, std::chrono::milliseconds(60));
  int good = 0;
  for (int i = 0; i < 300 && good < 3; ++i) {
    const Instant instant = *driver->freeze(store() + "/v", "");
    BuildRequest request;
    request.root = instant.root.get();
    request.driver = driver.get();
    request.assume_coarse_stamps = true;
    const Result<TreeChange> built = build_tree(request, KnownTree(), bodies);
    if (!built) continue;
    ASSERT_TRUE(bodies.sync(bodies.losses()));
    ++good;
    const auto directory = tree::decode_directory(built->objects.at(0).bytes);
    ASSERT_TRUE(directory);
    EXPECT_TRUE(Rounds::is_an_instant(content_of(store() + "/export", directory->entries.at(0))));
  }
  EXPECT_EQ(good, 3);
}

INSTANTIATE_TEST_SUITE_P(On, CoarseStampsTest, kScannedFileSystems, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
