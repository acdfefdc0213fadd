// Large files do not hold up a snapshot: they are cloned, and hashed later.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/volume.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

constexpr size_t kLarge = 3 << 20;
constexpr uint64_t kProvisionalMin = 2 << 20;

class ProvisionalTest : public DriverTest {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped()) return;
    Result<std::unique_ptr<DiskImage>> image = DiskImage::make(GetParam());
    ASSERT_TRUE(image) << image.error().message;
    image_ = std::move(*image);
    folder_ = image_->mount_point() + "/v";
    export_ = image_->mount_point() + "/export";
    ASSERT_TRUE(make_folders(folder_));
    ASSERT_TRUE(make_export_folders(export_));
    tree::Lineage lineage;
    lineage.fill(3);
    ASSERT_TRUE(write_volume_record(folder_, {"v", "alice", lineage, Time{1}}));
    driver_ = std::move(*Driver::of(folder_));
    const Result<UniqueFd> fd = open_file(folder_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(driver_->make_live(fd->get(), "live"));
    ASSERT_TRUE(driver_->commit(fd->get()));
    open();
  }
  void TearDown() override { close(); }
  void open() {
    files_.emplace(export_, !driver_->freezes());
    bodies_.emplace(export_, kProvisionalMin);
    Result<std::unique_ptr<Volume>> opened = Volume::open(folder_, *driver_, *files_, *bodies_);
    ASSERT_TRUE(opened) << opened.error().message;
    volume_ = std::move(*opened);
  }
  void close() {
    volume_.reset();
    bodies_.reset();
  }
  Snapshot snapshot() {
    const Result<Snapshot> out = volume_->take_snapshot();
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : Snapshot{};
  }
  tree::Entry entry(const Snapshot& taken, const std::string& path) {
    const TreeView view = view_tree(export_, taken.tree);
    EXPECT_TRUE(view.has(path)) << path;
    return view.has(path) ? view.entries.at(path) : tree::Entry{};
  }
  std::string live(const std::string& path) const { return folder_ + "/live/" + path; }
  // Old enough for its times to be trusted, and hashed.
  void let_it_be_hashed(const std::string& path) {
    bodies_->hasher().wait_until_idle();
    struct stat st {};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    timespec now{};
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ::clock_gettime(CLOCK_REALTIME, &now);
    } while ((now.tv_sec - st.st_ctim.tv_sec) * 1000 +
                 (now.tv_nsec - st.st_ctim.tv_nsec) / 1'000'000 <
             60);
  }

  std::unique_ptr<DiskImage> image_;
  std::string folder_;
  std::string export_;
  std::unique_ptr<Driver> driver_;
  std::optional<ExportFiles> files_;
  std::optional<Bodies> bodies_;
  std::unique_ptr<Volume> volume_;
};

constexpr auto kProvisional = tree::BodyKind::kProvisional;
constexpr auto kChunked = tree::BodyKind::kChunked;

TEST_P(ProvisionalTest, BecomesChunkedOnceItIsHashed) {
  const std::string one(kLarge, '1');
  ASSERT_TRUE(make_folders(live("a/b")));
  write_text(live("a/b/large"), one);
  write_text(live("a/small"), std::string(100'000, 's'));
  const Snapshot first = snapshot();
  const tree::Entry provisional = entry(first, "a/b/large");
  EXPECT_EQ(provisional.body.kind, kProvisional);
  EXPECT_EQ(entry(first, "a/small").body.kind, kChunked);
  EXPECT_TRUE(content_of(export_, provisional) == one);
  let_it_be_hashed(live("a/b/large"));
  // It was looked at within the clock's grain of its change, so this one may read it once more.
  snapshot();
  let_it_be_hashed(live("a/b/large"));
  const Snapshot later = snapshot();
  const tree::Entry named = entry(later, "a/b/large");
  EXPECT_EQ(named.body.kind, kChunked);
  EXPECT_TRUE(content_of(export_, named) == one);
  EXPECT_EQ(snapshot().tree, later.tree);
  // Changed in place: the older trees keep their bytes.
  const UniqueFd fd = *open_file(live("a/b/large"), O_WRONLY);
  ASSERT_EQ(::pwrite(fd.get(), "two", 3, 1'500'000), 3);
  const tree::Entry changed = entry(snapshot(), "a/b/large");
  EXPECT_EQ(changed.body.kind, kProvisional);
  EXPECT_EQ(content_of(export_, changed).substr(1'500'000, 4), "two1");
  EXPECT_TRUE(content_of(export_, provisional) == one);
}

TEST_P(ProvisionalTest, ContentThatWasCollectedIsMadeAgain) {
  const std::string one(kLarge, '1');
  write_text(live("large"), one);
  snapshot();
  let_it_be_hashed(live("large"));
  // No tree refers to it yet.
  shell("find " + export_ + "/content -name new -prune -o -name '*.chunks' -exec rm {} +");
  for (int i = 0; i < 2; ++i) {
    snapshot();
    let_it_be_hashed(live("large"));
  }
  const tree::Entry named = entry(snapshot(), "large");
  EXPECT_EQ(named.body.kind, kChunked);
  EXPECT_TRUE(content_of(export_, named) == one);
}

TEST_P(ProvisionalTest, HashingGoesOnAfterARestart) {
  const std::string one(kLarge, '1');
  write_text(live("large"), one);
  const Snapshot first = snapshot();
  EXPECT_EQ(entry(first, "large").body.kind, kProvisional);
  close();
  open();
  EXPECT_EQ(volume_->info().newest.tree, first.tree);
  for (int i = 0; i < 2; ++i) {
    snapshot();  // loads the tree
    let_it_be_hashed(live("large"));
  }
  const tree::Entry named = entry(snapshot(), "large");
  EXPECT_EQ(named.body.kind, kChunked);
  EXPECT_TRUE(content_of(export_, named) == one);
}

TEST_P(ProvisionalTest, PowerLossFindsTheVerySameTree) {
  const std::string one(kLarge, '1');
  write_text(live("large"), one);
  Snapshot last = snapshot();
  for (int round = 0; round < 3; ++round) {
    close();
    const Status lost = image_->lose_power();
    ASSERT_TRUE(lost) << lost.error().message;
    open();
    ASSERT_EQ(volume_->info().newest.tree, last.tree) << "round " << round;
    EXPECT_TRUE(content_of(export_, entry(last, "large")) == one);
    // The next rounds: with what is hashed by now, and with another change beside it.
    last = snapshot();
    let_it_be_hashed(live("large"));
    write_text(live("other"), std::to_string(round));
    last = snapshot();
  }
  EXPECT_EQ(entry(last, "large").body.kind, kChunked);
}

TEST_P(ProvisionalTest, IsNothingWhereFilesCannotBeCloned) {
  if (GetParam() != FileSystem::kBtrfs) return;  // elsewhere all can be, or none
  shell(": > " + live("f") + " && chattr +C " + live("f") + " && head -c 2500000 /dev/urandom >> " +
        live("f"));
  const tree::Entry copied = entry(snapshot(), "f");
  EXPECT_EQ(copied.body.kind, kChunked);
  EXPECT_TRUE(content_of(export_, copied) == read_text(live("f")));
}

INSTANTIATE_TEST_SUITE_P(On, ProvisionalTest,
                         ::testing::Values(FileSystem::kBtrfs, FileSystem::kXfs),
                         name_of_parameter);

}  // namespace
}  // namespace devrun::storage
