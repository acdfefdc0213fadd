#include "agent/site/site_nodes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace devrun::site {
namespace {

class SiteNodesTest : public testing::Test {
 protected:
  SiteNodesTest() {
    char name[] = "/tmp/devrun-nodes-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~SiteNodesTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  UniqueFd open(const std::string& name) const {
    return UniqueFd(::open(path(name).c_str(), O_PATH | O_CLOEXEC));
  }
  NodeNumber add(SiteNodes& nodes, const std::string& name) const {
    struct stat about {};
    ::stat(path(name).c_str(), &about);
    return nodes.add(kRootNumber, name.c_str(), open(name), about);
  }

  std::string folder_;
};

TEST_F(SiteNodesTest, TheSameFileIsTheSameNodeUntilForgottenAsOftenAsItWasFound) {
  std::ofstream(path("a")) << "x";
  std::filesystem::create_hard_link(path("a"), path("b"));
  SiteNodes nodes(open("."), 10);
  const NodeNumber first = add(nodes, "a");
  EXPECT_EQ(add(nodes, "b"), first);
  EXPECT_NE(first, kRootNumber);
  nodes.forget(first, 1);
  EXPECT_NE(nodes.find(first), nullptr);
  nodes.forget(first, 1);
  EXPECT_EQ(nodes.find(first), nullptr);
  EXPECT_NE(add(nodes, "a"), first) << "numbers are not used again";
}

TEST_F(SiteNodesTest, TheRootIsNeverForgotten) {
  SiteNodes nodes(open("."), 10);
  nodes.forget(kRootNumber, 100);
  ASSERT_NE(nodes.find(kRootNumber), nullptr);
  EXPECT_TRUE(nodes.find(kRootNumber)->is_folder);
}

TEST_F(SiteNodesTest, BeyondTheBoundTheLongestKnownFilesAreNamed) {
  SiteNodes nodes(open("."), 3);
  std::filesystem::create_directory(path("folder"));
  add(nodes, "folder");
  for (const char* name : {"a", "b", "c"}) {
    std::ofstream(path(name)) << name;
    add(nodes, name);
  }
  ASSERT_EQ(nodes.size(), 5u);
  const auto oldest = nodes.oldest();
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->name, "a") << "a folder stays";
  EXPECT_EQ(oldest->parent, kRootNumber);
}

TEST_F(SiteNodesTest, NamesOfWhatComesAndGoesDoNotPileUp) {
  SiteNodes nodes(open("."), 3);
  for (int i = 0; i < 100; ++i) {
    std::ofstream(path("t")) << i;
    nodes.forget(add(nodes, "t"), 1);
    std::filesystem::remove(path("t"));
    while (nodes.oldest()) {
    }
  }
  int left = 0;
  for (SiteNodes few(open("."), 0); few.oldest();) ++left;
  EXPECT_EQ(left, 0);
  EXPECT_EQ(nodes.size(), 1u);
}

}  // namespace
}  // namespace devrun::site
