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

}  // namespace devrun::storage
