#include "tests/unit/controller/storage/driver_fixture.h"

#include <fmt/format.h>

#include <algorithm>

namespace devrun::storage {

void DriverTest::SetUp() {
  const SharedImage& shared = shared_image(GetParam());
  if (shared.image == nullptr) {
    GTEST_SKIP() << "NOT TESTED, needs root and loop devices: " << shared.why_not;
  }
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = fmt::format("{}.{}", info->test_suite_name(), info->name());
  std::replace(name.begin(), name.end(), '/', '.');
  store_ = fmt::format("{}/{}", mount_point(), name);
}

const std::string& DriverTest::mount_point() const {
  return shared_image(GetParam()).image->mount_point();
}

void StoreTest::SetUp() {
  DriverTest::SetUp();
  if (!IsSkipped()) reopen();
}

void StoreTest::reopen() {
  storage_.reset();
  Result<std::unique_ptr<Storage>> opened = Storage::open(store(), fault_);
  ASSERT_TRUE(opened) << opened.error().message;
  storage_ = std::move(*opened);
}

void StoreTest::create(const std::string& name, const VolumeSource& source) {
  const Status made = storage_->create_volume(name, "alice", source, {});
  ASSERT_TRUE(made) << made.error().message;
}

Snapshot StoreTest::snapshot(const std::string& name) {
  const Result<Snapshot> out = storage_->take_snapshot(name);
  EXPECT_TRUE(out) << out.error().message;
  return out ? *out : Snapshot{};
}

}  // namespace devrun::storage
