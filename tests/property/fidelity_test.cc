// What goes into a volume comes out of devrun-fs, byte for byte: random trees, snapshotted by each
// driver, edited and snapshotted again, compared with what the node's file system shows.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/volume/host_store.h"
#include "controller/storage/storage.h"
#include "tests/property/random_tree.h"
#include "tests/property/same_tree.h"
#include "tests/unit/controller/storage/driver_fixture.h"

namespace devrun::property {
namespace {

using storage::FileSystem;
using storage::Snapshot;
using storage::Storage;

class FidelityTest : public storage::DriverTest {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped()) return;
    Result<std::unique_ptr<Storage>> opened = Storage::open(store());
    ASSERT_TRUE(opened) << opened.error().message;
    storage_ = std::move(*opened);
    export_ = *volume::HostStore::open(storage_->export_path());
    vfs_.emplace(*export_, nullptr, volume::Vfs::Limits{}, *state_);
  }
  void TearDown() override {
    vfs_.reset();
    storage_.reset();
  }
  std::string create(const std::string& name) {
    const Status made = storage_->create_volume(name, "ada", storage::Empty{}, {});
    EXPECT_TRUE(made) << made.error().message;
    return storage_->live_path(name);
  }
  void expect_snapshot_shows_it(const std::string& name, size_t entries_min) {
    const Result<Snapshot> taken = storage_->take_snapshot(name);
    ASSERT_TRUE(taken) << taken.error().message;
    const auto prepared =
        vfs_->prepare(taken->tree, std::chrono::steady_clock::now() + std::chrono::seconds(60));
    ASSERT_TRUE(prepared) << prepared.error().message;
    EXPECT_GE(expect_same(*vfs_, prepared->root, storage_->live_path(name)), entries_min);
  }

  std::unique_ptr<Storage> storage_;
  std::unique_ptr<volume::HostStore> export_;
  std::unique_ptr<volume::NodeState> state_ = std::move(*volume::NodeState::create(""));
  std::optional<volume::Vfs> vfs_;
};

TEST_P(FidelityTest, RandomTreesComeOutAsTheyWentIn) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const std::string name = fmt::format("v{}", seed);
    RandomTree tree(create(name), seed);
    for (int i = 0; i < 120; ++i) tree.add();
    for (int round = 0; round < 4; ++round) {
      expect_snapshot_shows_it(name, 30);
      if (HasFailure()) FAIL() << "seed " << seed << ", round " << round;
      for (int i = 0; i < 25; ++i) tree.edit();
    }
  }
}

TEST_P(FidelityTest, PathsLongerThanTheKernelTakes) {
  RandomTree tree(create("deep"), 7);
  for (int i = 0; i < 3; ++i) tree.add_deep(10'000);
  expect_snapshot_shows_it("deep", 100);
  tree.add_deep(10'000);
  expect_snapshot_shows_it("deep", 130);
}

TEST_P(FidelityTest, AHundredThousandEntriesInAFolder) {
  if (GetParam() == FileSystem::kXfs) return;  // as on ext4, and it takes seconds
  const std::string live = create("wide");
  constexpr size_t kEntries = 100'000;
  const UniqueFd folder(::open(live.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (size_t i = 0; i < kEntries; ++i) {
    ASSERT_EQ(::mknodat(folder.get(), fmt::format("entry {}", i).c_str(), S_IFREG | 0644, 0), 0);
  }
  const Result<Snapshot> all = storage_->take_snapshot("wide");
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->files, kEntries);
  ASSERT_EQ(::unlinkat(folder.get(), "entry 77777", 0), 0);
  const Result<Snapshot> fewer = storage_->take_snapshot("wide");
  ASSERT_TRUE(fewer) << fewer.error().message;
  EXPECT_EQ(fewer->files, kEntries - 1);
  const auto prepared =
      vfs_->prepare(fewer->tree, std::chrono::steady_clock::now() + std::chrono::seconds(60));
  ASSERT_TRUE(prepared) << prepared.error().message;
  size_t listed = 0;
  ASSERT_TRUE(vfs_->list(prepared->root, 0, false, [&](const volume::Listed&) {
    ++listed;
    return true;
  }));
  EXPECT_EQ(listed, kEntries - 1 + 2);
  EXPECT_FALSE(vfs_->lookup(prepared->root, "entry 77777")->has_value());
  EXPECT_TRUE(vfs_->lookup(prepared->root, "entry 77778")->has_value());
}

INSTANTIATE_TEST_SUITE_P(On, FidelityTest, storage::kEveryFileSystem, storage::name_of_parameter);

}  // namespace
}  // namespace devrun::property
