#include "agent/site/site_nodes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <thread>
#include <vector>

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

TEST_F(SiteNodesTest, AFileIsAsBeforeUntilItIsWritten) {
  std::ofstream(path("a")) << "x";
  SiteNodes nodes(open("."), 10);
  const NodeNumber number = add(nodes, "a");
  const auto is_as_before = [&] {
    struct stat about {};
    ::stat(path("a").c_str(), &about);
    return nodes.is_as_before(number, about);
  };
  EXPECT_FALSE(is_as_before()) << "the first time nothing is known";
  EXPECT_TRUE(is_as_before());
  std::ofstream(path("a")) << "longer";
  EXPECT_FALSE(is_as_before());
  EXPECT_TRUE(is_as_before());
  nodes.forget(number, 1);
  EXPECT_FALSE(is_as_before());
}

TEST_F(SiteNodesTest, TheRootIsNeverForgotten) {
  SiteNodes nodes(open("."), 10);
  nodes.forget(kRootNumber, 100);
  ASSERT_NE(nodes.find(kRootNumber), nullptr);
  EXPECT_TRUE(nodes.find(kRootNumber)->is_folder);
}

// What would be taken from the kernel now; it has stopped asking once there is nothing.
std::vector<std::string> taken(SiteNodes& nodes, size_t most) {
  std::vector<std::string> out;
  std::stop_source stop;
  std::jthread watch([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  while (out.size() < most) {
    const auto name = nodes.wait_for_oldest(stop.get_token());
    if (!name) break;
    EXPECT_EQ(name->parent, kRootNumber);
    out.push_back(name->name);
  }
  return out;
}

TEST_F(SiteNodesTest, BeyondTheBoundTheLongestKnownFilesAreNamed) {
  SiteNodes nodes(open("."), 3);
  std::filesystem::create_directory(path("folder"));
  add(nodes, "folder");
  std::vector<NodeNumber> numbers;
  for (const char* name : {"a", "b", "c"}) {
    std::ofstream(path(name)) << name;
    numbers.push_back(add(nodes, name));
  }
  ASSERT_EQ(nodes.size(), 5u);
  // A folder stays; and what is on its way is not waited for.
  EXPECT_EQ(taken(nodes, 9), (std::vector<std::string>{"a", "b"}));
  nodes.forget(numbers[0], 1);
  nodes.forget(numbers[1], 1);
  EXPECT_EQ(taken(nodes, 9), std::vector<std::string>{});
  // One that the kernel had forgotten makes no room.
  std::ofstream(path("d")) << "d";
  add(nodes, "d");
  EXPECT_EQ(taken(nodes, 9), std::vector<std::string>{"c"});
  nodes.was_gone();
  EXPECT_EQ(taken(nodes, 9), std::vector<std::string>{"d"});
}

TEST_F(SiteNodesTest, NamesOfWhatComesAndGoesDoNotPileUp) {
  SiteNodes nodes(open("."), 3);
  for (int i = 0; i < 20; ++i) {
    std::ofstream(path("t")) << i;
    nodes.forget(add(nodes, "t"), 1);
    std::filesystem::remove(path("t"));
  }
  EXPECT_EQ(taken(nodes, 99).size(), 14u) << "twice the bound may stay";
  EXPECT_EQ(nodes.size(), 1u);
}

}  // namespace
}  // namespace devrun::site
