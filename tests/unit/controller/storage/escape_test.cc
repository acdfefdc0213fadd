// The controller is root and reads trees that users own. Whatever they swap for links while it
// does, nothing outside the volume is ever opened: the kernel tells, by inotify.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "common/runtime/file.h"
#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

constexpr int kGoodSnapshots = 25;
constexpr int kSnapshotsMax = 3000;

class EscapeTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (IsSkipped()) return;
    outside_ = store() + ".outside";
    shell("mkdir -p " + outside_ + "/deep && printf 'outside %02000d' 7 > " + outside_ +
          "/f && cp " + outside_ + "/f " + outside_ + "/deep/f && : > " + outside_ +
          "/only-outside");
    create("v");
    live_ = storage_->live_path("v");
    shell("cd " + live_ +
          " && mkdir -p a/deep b && printf 'inside %02000d' 1 > a/f && cp a/f "
          "a/deep/f && cp a/f b/f && ln -s " +
          outside_ + " a-link && ln -s " + outside_ +
          "/f b/f-link && mkfifo b/fifo && ln -s ../../../../.." + outside_ + "/deep a/deep-link");
    watch_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    for (const std::string& folder : {outside_, outside_ + "/deep"}) {
      ASSERT_GE(::inotify_add_watch(watch_.get(), folder.c_str(), IN_OPEN | IN_ACCESS), 0);
    }
  }
  // Swaps the names of two things in the live tree.
  void exchange(const std::string& a, const std::string& b) {
    const std::string from = live_ + "/" + a;
    const std::string to = live_ + "/" + b;
    ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE);
  }
  bool was_outside() {
    char events[4096];
    return ::read(watch_.get(), events, sizeof events) > 0;
  }

  std::string outside_;
  std::string live_;
  UniqueFd watch_;
};

TEST_P(EscapeTest, NothingOutsideIsOpenedWhateverIsSwapped) {
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    std::mt19937 random(1);
    while (!stop) {
      exchange("a", "a-link");
      exchange("b/f", "b/f-link");
      exchange("a/deep", "a/deep-link");
      if (random() % 2 == 0) exchange("b/f", "b/fifo");
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    }
  });
  int good = 0;
  for (int i = 0; i < kSnapshotsMax && good < kGoodSnapshots; ++i) {
    const Result<Snapshot> taken = storage_->take_snapshot("v");
    if (!taken) {
      EXPECT_EQ(taken.error().code, Code::kConflict) << taken.error().message;
      continue;
    }
    ++good;
    const TreeView view = view_tree(storage_->export_path(), taken->tree);
    for (const auto& [path, entry] : view.entries) {
      EXPECT_EQ(path.find("only-outside"), std::string::npos);
      if (entry.type != tree::EntryType::kRegular) continue;
      EXPECT_EQ(content_of(storage_->export_path(), entry).substr(0, 7), "inside ") << path;
    }
    if (HasFailure()) break;
  }
  stop = true;
  swapper.join();
  EXPECT_EQ(good, kGoodSnapshots);
  EXPECT_FALSE(was_outside());
}

INSTANTIATE_TEST_SUITE_P(On, EscapeTest, kEveryFileSystem, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
