// Folders and machines that `devrun up` leaves alone.
#include "cli/cluster/installed.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "common/runtime/file.h"

namespace devrun::cluster {
namespace {

namespace fs = std::filesystem;

class Installed : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "installed.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    layout_ = Layout{folder_ + "/cluster"};
    fs::create_directories(layout_.folder);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& path) {
    fs::create_directories(fs::path(path).parent_path());
    ASSERT_TRUE(write_file_atomically(path, "x", 0600));
  }
  std::string folder_;
  Layout layout_;
  Status check() const { return check_not_installed(layout_, folder_ + "/etc"); }
};

TEST_F(Installed, AnEmptyFolderIsUps) {
  EXPECT_TRUE(check());
  // Another folder than the one that packages use, on a machine of a cluster.
  write(folder_ + "/etc/controller.yaml");
  EXPECT_TRUE(check());
}

TEST_F(Installed, AControllersStateIsNot) {
  write(layout_.controller() + "/journal.db");
  const Status refused = check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_NE(refused.error().message.find("no cluster.json"), std::string::npos);
  write(layout_.record());  // up made it
  EXPECT_TRUE(check());
}

TEST_F(Installed, ANodesKeysAreNot) {
  write(layout_.pki() + "/ca.crt");
  ASSERT_FALSE(check());
  write(layout_.pki() + "/ca.key");
  EXPECT_TRUE(check());
}

TEST_F(Installed, TheUsualFolderOfAMachineOfAClusterIsNot) {
  const Layout usual = *layout_of("");
  if (fs::exists(usual.record())) GTEST_SKIP() << "a cluster is here";
  write(folder_ + "/etc/agent.yaml");
  const Status refused = check_not_installed(usual, folder_ + "/etc");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("agent.yaml"), std::string::npos);
}

}  // namespace
}  // namespace devrun::cluster
