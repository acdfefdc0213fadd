// A btrfs file system of the test process's own: an unlinked image on a loop device that clears itself, mounted in a
// private mount namespace. Whatever happens to the process, nothing of it is left.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace devrun::storage {

class BtrfsTest : public ::testing::Test {
 protected:
  // Skips, loudly, where mounting is not allowed.
  void SetUp() override;

  // A new folder on the file system.
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
