// The mirror of new Debian roots, from both formats of apt sources.
#include <gtest/gtest.h>

#include <filesystem>

#include "controller/storage/volume_source.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"

namespace devrun::storage {
namespace {

class AptMirrorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "devrun-apt-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directory(folder_ + "/sources.list.d");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(AptMirrorTest, OneLineFormat) {
  write_text(folder_ + "/sources.list",
             "# deb http://commented.example/debian bookworm main\n"
             "deb-src http://source.example/debian bookworm main\n"
             "deb http://security.example/debian-security bookworm-security main\n"
             "deb [arch=amd64 signed-by=/k.gpg] http://near.example/debian trixie main contrib\n"
             "deb http://other.example/debian bookworm main\n");
  EXPECT_EQ(find_mirror(folder_, "trixie"), "http://near.example/debian");
  EXPECT_EQ(find_mirror(folder_, "bookworm"), "http://other.example/debian");
}

TEST_F(AptMirrorTest, Deb822Format) {
  write_text(folder_ + "/sources.list.d/tool.sources",
             "Types: deb\nURIs: http://tool.example/apt\nSuites: bookworm\nComponents: main\n");
  write_text(folder_ + "/sources.list.d/zz.sources",
             "Types: deb\n# a comment: with a colon\nURIs: http://near.example/debian\n"
             "Suites: bookworm bookworm-updates\nComponents: main\n\n"
             "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\n"
             "Components: main\n");
  EXPECT_EQ(find_mirror(folder_, "bookworm"), "http://near.example/debian");
}

TEST_F(AptMirrorTest, OthersKeepTheirOwn) {
  EXPECT_EQ(find_mirror(folder_, "bookworm"), "");
  write_text(folder_ + "/sources.list", "deb http://near.example/debian bookworm main\n");
  EXPECT_EQ(find_mirror(folder_, "no-such-suite"), "");
  EXPECT_EQ(find_mirror(folder_ + "/missing", "bookworm"), "");
}

}  // namespace
}  // namespace devrun::storage
