// With a driver that freezes nothing, what was acknowledged is on disk, and what was not leaves
// nothing that is taken for whole.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/bodies.h"
#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

class ScanPowerLossTest : public DriverTest {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped()) return;
    Result<std::unique_ptr<DiskImage>> image = DiskImage::make(GetParam());
    ASSERT_TRUE(image) << image.error().message;
    image_ = std::move(*image);
    open();
    ASSERT_TRUE(storage_->create_volume("v", "alice", Empty{}, {}));
  }
  void TearDown() override { storage_.reset(); }
  void open() {
    Result<std::unique_ptr<Storage>> opened = Storage::open(image_->mount_point() + "/store");
    ASSERT_TRUE(opened) << opened.error().message;
    storage_ = std::move(*opened);
  }
  void lose_power() {
    storage_.reset();
    const Status lost = image_->lose_power();
    ASSERT_TRUE(lost) << lost.error().message;
  }
  std::string live(const std::string& path) { return storage_->live_path("v") + "/" + path; }
  Snapshot snapshot() {
    const Result<Snapshot> out = storage_->take_snapshot("v");
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : Snapshot{};
  }
  std::string text(const Snapshot& taken, const std::string& path) {
    const TreeView view = view_tree(storage_->export_path(), taken.tree);
    return view.has(path) ? content_of(storage_->export_path(), view.entries.at(path)) : "none";
  }

  std::unique_ptr<DiskImage> image_;
  std::unique_ptr<Storage> storage_;
};

TEST_P(ScanPowerLossTest, AcknowledgedSnapshotsSurvive) {
  const std::string one(3 << 20, '1');
  const std::string two(3 << 20, '2');
  write_text(live("small"), "one");
  write_text(live("large"), one);
  const Snapshot first = snapshot();
  write_text(live("small"), "two");
  write_text(live("large"), two);
  shell("mkdir " + live("many") + " && cd " + live("many") +
        " && for i in $(seq 200); do head -c 2000 /dev/urandom > $i; done");
  const Snapshot second = snapshot();
  const std::string of_many = text(second, "many/77");
  lose_power();
  open();
  EXPECT_EQ(storage_->volume("v")->newest.tree, second.tree);
  EXPECT_EQ(text(first, "small"), "one");
  EXPECT_EQ(text(second, "small"), "two");
  EXPECT_TRUE(text(first, "large") == one);
  EXPECT_TRUE(text(second, "large") == two);
  EXPECT_EQ(text(second, "many/77"), of_many);
  EXPECT_EQ(snapshot().files, second.files);
}

TEST_P(ScanPowerLossTest, WhatWasNotAcknowledgedIsNotTakenForWhole) {
  const std::string content(2 << 20, 'x');
  write_text(live("f"), content);
  tree::Body body;
  {
    // A build that comes as far as its bodies.
    Bodies bodies(storage_->export_path());
    const UniqueFd file = *open_file(live("f"), O_RDONLY);
    const Result<tree::Body> taken = bodies.take(file.get(), content.size(), [] { return true; });
    ASSERT_TRUE(taken) << taken.error().message;
    body = *taken;
    ASSERT_EQ(::syncfs(file.get()), 0);  // the file and the half-way names are on disk, by chance
  }
  lose_power();
  open();
  EXPECT_FALSE(std::filesystem::exists(storage_->export_path() + "/" + tree::body_path(body)));
  EXPECT_TRUE(std::filesystem::is_empty(storage_->export_path() + "/content/new"));
  EXPECT_TRUE(text(snapshot(), "f") == content);
}

INSTANTIATE_TEST_SUITE_P(On, ScanPowerLossTest, kScannedFileSystems, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
