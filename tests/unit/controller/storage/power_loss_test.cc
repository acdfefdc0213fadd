// An acknowledged snapshot survives power loss, although nothing but the snapshot itself was
// synced.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/runtime/file.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/volume.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

class PowerLossTest : public BtrfsTest {
 protected:
  void SetUp() override {
    BtrfsTest::SetUp();
    if (IsSkipped()) return;
    Result<std::unique_ptr<BtrfsImage>> image = BtrfsImage::make();
    ASSERT_TRUE(image) << image.error().message;
    image_ = std::move(*image);
    folder_ = image_->mount_point() + "/v";
    export_ = image_->mount_point() + "/export";
    ASSERT_TRUE(make_folders(folder_));
    ASSERT_TRUE(make_export_folders(export_));
    driver_ = std::move(*Driver::of(folder_));
    files_.emplace(export_);
    bodies_.emplace(export_);
    tree::Lineage lineage;
    lineage.fill(3);
    ASSERT_TRUE(write_volume_record(folder_, {"v", "alice", lineage, Time{1}}));
    {
      const Result<UniqueFd> fd = open_file(folder_, O_RDONLY | O_DIRECTORY);
      ASSERT_TRUE(btrfs::create_subvolume(fd->get(), "live"));
      ASSERT_TRUE(btrfs::commit(fd->get()));
    }
    open();
  }
  void open() {
    Result<std::unique_ptr<Volume>> opened = Volume::open(folder_, *driver_, *files_, *bodies_);
    ASSERT_TRUE(opened) << opened.error().message;
    volume_ = std::move(*opened);
  }
  void lose_power() {
    volume_.reset();
    const Status lost = image_->lose_power();
    ASSERT_TRUE(lost) << lost.error().message;
  }
  void expect_whole(const Snapshot& snapshot, const std::string& small, const std::string& large) {
    const TreeView view = view_tree(export_, snapshot.tree);
    ASSERT_TRUE(view.has("small") && view.has("large"));
    EXPECT_EQ(content_of(export_, view.entries.at("small")), small);
    EXPECT_TRUE(content_of(export_, view.entries.at("large")) == large);
  }
  std::vector<std::string> leftovers() {
    std::vector<std::string> out;
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      out.push_back(file.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  Snapshot snapshot() {
    const Result<Snapshot> out = volume_->take_snapshot();
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : Snapshot{};
  }

  std::unique_ptr<BtrfsImage> image_;
  std::string folder_;
  std::string export_;
  std::unique_ptr<Driver> driver_;
  std::optional<ExportFiles> files_;
  std::optional<Bodies> bodies_;
  std::unique_ptr<Volume> volume_;
  const std::vector<std::string> settled_{"base", "live", "newest.json", "snapshots",
                                          "volume.json"};
};

TEST_F(PowerLossTest, UnsettledSnapshotsAreBuiltAgain) {
  const std::string one(3 << 20, '1');
  const std::string two(3 << 20, '2');
  write_text(folder_ + "/live/small", "one");
  write_text(folder_ + "/live/large", one);
  const Snapshot first = snapshot();
  write_text(folder_ + "/live/small", "two");
  write_text(folder_ + "/live/large", two);
  const Snapshot second = snapshot();
  lose_power();
  open();
  EXPECT_EQ(volume_->info().newest.tree, second.tree);
  expect_whole(first, "one", one);
  expect_whole(second, "two", two);
  EXPECT_EQ(leftovers(), settled_);
  EXPECT_EQ(snapshot().tree, second.tree);
}

TEST_F(PowerLossTest, SettledSnapshotsNeedNothing) {
  const std::string one(3 << 20, '1');
  write_text(folder_ + "/live/small", "one");
  write_text(folder_ + "/live/large", one);
  const Snapshot first = snapshot();
  ASSERT_TRUE(volume_->settle());
  write_text(folder_ + "/live/small", "lost");
  lose_power();
  expect_whole(first, "one", one);
  open();
  EXPECT_EQ(volume_->info().newest.tree, first.tree);
  EXPECT_EQ(leftovers(), settled_);
}

// Every stage of settling, as a crash between two of its steps leaves it.
TEST_F(PowerLossTest, HalfSettledVolumesAreMended) {
  write_text(folder_ + "/live/f", "one");
  snapshot();
  ASSERT_TRUE(volume_->settle());
  write_text(folder_ + "/live/f", "two");
  const Snapshot second = snapshot();
  const std::string record = read_text(folder_ + "/newest.json");
  ASSERT_TRUE(volume_->settle());
  const std::string settled_record = read_text(folder_ + "/newest.json");
  // Recorded, not swapped: base is what was pending, and the other way round.
  shell("cd " + folder_ + " && btrfs subvolume snapshot -r base old && btrfs subvolume delete old");
  shell("cd " + folder_ + " && mv base pending.7");
  open();
  EXPECT_EQ(volume_->info().newest.tree, second.tree);
  EXPECT_EQ(leftovers(), settled_);
  // Not recorded: the pending snapshot is finished.
  volume_.reset();
  shell("cd " + folder_ + " && mv base pending.9");
  write_text(folder_ + "/newest.json", record);
  open();
  EXPECT_EQ(volume_->info().newest.tree, second.tree);
  EXPECT_EQ(leftovers(), settled_);
  EXPECT_EQ(read_text(folder_ + "/newest.json").substr(0, 90), settled_record.substr(0, 90));
}

TEST_F(PowerLossTest, DamagedPacksAreWrittenAgain) {
  write_text(folder_ + "/live/f", "one");
  const Snapshot first = snapshot();
  ASSERT_TRUE(volume_->settle());
  volume_->forget_known_tree();
  shell("for f in " + export_ + "/packs/*/*; do : > $f; done");
  const Snapshot again = snapshot();
  EXPECT_EQ(again.tree, first.tree);
  EXPECT_TRUE(view_tree(export_, again.tree).has("f"));
  // A lost manifest as well, at start.
  ASSERT_TRUE(volume_->settle());
  shell("rm " + export_ + "/trees/*/*");
  open();
  EXPECT_EQ(snapshot().tree, first.tree);
  EXPECT_TRUE(view_tree(export_, first.tree).has("f"));
}

}  // namespace
}  // namespace devrun::storage
