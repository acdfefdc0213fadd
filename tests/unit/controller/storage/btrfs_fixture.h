// Tests on a btrfs of the process's own (disk_image.h).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/controller/storage/disk_image.h"

namespace devrun::storage {

using BtrfsImage = DiskImage;

class BtrfsTest : public ::testing::Test {
 protected:
  // Skips, loudly, where mounting is not allowed.
  void SetUp() override;

  // A new folder on the file system that all tests share.
  std::string store() const { return store_; }
  const std::string& mount_point() const;

 private:
  std::string store_;
};

// Small helpers that fail the test.
void write_text(const std::string& path, const std::string& text);
std::string read_text(const std::string& path);
void shell(const std::string& command);

}  // namespace devrun::storage
