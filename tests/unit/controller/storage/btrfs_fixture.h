// btrfs file systems of the test process's own: an unlinked image on a loop device that clears
// itself, mounted in a private mount namespace. Whatever happens to the process, nothing of it is
// left.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::storage {

// One such file system.
class BtrfsImage {
 public:
  static Result<std::unique_ptr<BtrfsImage>> make();
  ~BtrfsImage();  // unmounts

  const std::string& mount_point() const { return mount_point_; }
  // What the disk holds now, without anything that is only in memory, becomes the file system: as
  // if the power had failed. No descriptor may be open on it.
  Status lose_power();

 private:
  Status mount();

  std::string mount_point_;
  UniqueFd image_;
};

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
