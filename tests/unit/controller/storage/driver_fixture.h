// Tests that every driver must pass, on each kind of file system.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"
#include "tests/unit/controller/storage/disk_image.h"

namespace devrun::storage {

class DriverTest : public ::testing::TestWithParam<FileSystem> {
 protected:
  // Skips, loudly, where mounting is not allowed.
  void SetUp() override;

  // A new folder on the file system that all tests of the kind share.
  std::string store() const { return store_; }
  const std::string& mount_point() const;

 private:
  std::string store_;
};

// With a storage on it.
class StoreTest : public DriverTest {
 protected:
  void SetUp() override;
  void TearDown() override { storage_.reset(); }

  void reopen();
  void create(const std::string& name, const VolumeSource& source = Empty{});
  Snapshot snapshot(const std::string& name = "v");
  std::string live(const std::string& path, const std::string& volume = "v") const {
    return storage_->live_path(volume) + "/" + path;
  }

  FaultPoint fault_;  // of what is opened next
  std::unique_ptr<Storage> storage_;
};

inline const auto kEveryFileSystem =
    ::testing::Values(FileSystem::kBtrfs, FileSystem::kXfs, FileSystem::kExt4);
inline const auto kScannedFileSystems = ::testing::Values(FileSystem::kXfs, FileSystem::kExt4);

inline std::string name_of_parameter(const ::testing::TestParamInfo<FileSystem>& info) {
  return name_of(info.param);
}

}  // namespace devrun::storage
