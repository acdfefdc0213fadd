// What jobs keep on a node, with the kernel's overlay: what one wrote there the next one finds, over
// what the snapshot has.
#include "agent/sandbox/node_paths.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace devrun::sandbox {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

class NodePathsTest : public ::testing::Test {
 protected:
  NodePathsTest() {
    char pattern[] = "/var/tmp/devrun-node-paths-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    fs::create_directories(snapshot());
    spec_.user = "ada";
    spec_.root.volume = "work";
    spec_.program.caller.uid = 7;
  }
  ~NodePathsTest() override { fs::remove_all(folder_); }

  std::string snapshot() const { return folder_ + "/snapshot"; }
  NodePaths kept() const { return NodePaths(folder_ + "/state"); }

  // What a job does in its view of the path; then the attempt is released. In a namespace of its own,
  // so that no mount survives a failure.
  void job(const std::function<void(const std::string& view)>& what) {
    const std::string id = *kept().open(spec_, "/root/.cache");
    const std::string upper = folder_ + "/upper";
    fs::create_directories(upper);
    fs::create_directories(folder_ + "/work");
    fs::create_directories(folder_ + "/view");
    std::thread([&] {
      ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
      ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
      const std::string options = fmt::format(
          "lowerdir={}/kept:{},upperdir={},workdir={}/work,redirect_dir=off,metacopy=off,index=off",
          kept().folder(id), snapshot(), upper, folder_);
      ASSERT_EQ(::mount("x", (folder_ + "/view").c_str(), "overlay", 0, options.c_str()), 0);
      what(folder_ + "/view");
      ASSERT_EQ(::umount2((folder_ + "/view").c_str(), 0), 0);
    }).join();
    const Status merged = kept().merge(id, upper);
    ASSERT_TRUE(merged) << merged.error().message;
    EXPECT_FALSE(fs::exists(upper));
    ASSERT_TRUE(kept().merge(id, upper));  // again, after a crash
    fs::remove_all(folder_ + "/work");
  }

  std::string folder_;
  AttemptSpec spec_;
};

TEST_F(NodePathsTest, WhatOneJobWroteTheNextOneFinds) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting an overlay needs root";
  fs::create_directories(snapshot() + "/pip/http");
  write(snapshot() + "/pip/http/old", "of the snapshot");
  write(snapshot() + "/pip/changed", "before");
  fs::create_directories(snapshot() + "/whole");
  write(snapshot() + "/whole/hidden", "x");
  write(snapshot() + "/file-then-folder", "x");
  job([](const std::string& view) {
    EXPECT_EQ(text_of(view + "/pip/http/old"), "of the snapshot");
    write(view + "/pip/http/new", "of job 1");
    write(view + "/pip/changed", "after");
    fs::remove_all(view + "/whole");
    fs::remove(view + "/file-then-folder");
    ::chmod((view + "/pip").c_str(), 0700);
  });
  job([](const std::string& view) {
    EXPECT_EQ(text_of(view + "/pip/http/old"), "of the snapshot");
    EXPECT_EQ(text_of(view + "/pip/http/new"), "of job 1");
    EXPECT_EQ(text_of(view + "/pip/changed"), "after");
    EXPECT_FALSE(fs::exists(view + "/whole"));
    EXPECT_FALSE(fs::exists(view + "/file-then-folder"));
    EXPECT_EQ(fs::status(view + "/pip").permissions(), fs::perms(0700));
    // What hides the snapshot's becomes a folder that goes on hiding it.
    fs::create_directories(view + "/whole");
    write(view + "/whole/mine", "y");
    fs::create_directories(view + "/file-then-folder");
    fs::remove_all(view + "/pip");
    fs::create_directories(view + "/pip/wheels");
  });
  write(snapshot() + "/later", "of a later snapshot");
  job([](const std::string& view) {
    EXPECT_EQ(text_of(view + "/later"), "of a later snapshot");
    EXPECT_TRUE(fs::exists(view + "/whole/mine"));
    EXPECT_FALSE(fs::exists(view + "/whole/hidden"));
    EXPECT_TRUE(fs::is_directory(view + "/file-then-folder"));
    EXPECT_TRUE(fs::is_directory(view + "/pip/wheels"));
    EXPECT_FALSE(fs::exists(view + "/pip/http"));
    EXPECT_FALSE(fs::exists(view + "/pip/changed"));
  });
}

TEST_F(NodePathsTest, TheLeastRecentlyUsedGoesFirst) {
  std::vector<std::string> ids;
  for (const char* path : {"/a", "/b", "/c"}) {
    const std::string id = *kept().open(spec_, path);
    const std::string upper = folder_ + "/upper";
    fs::create_directories(upper);
    write(upper + "/file", std::string(1 << 20, 'x'));
    ASSERT_TRUE(kept().merge(id, upper));
    ids.push_back(id);
  }
  const auto touch = [&](const std::string& id, time_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ::utimensat(AT_FDCWD, (kept().folder(id) + "/bytes").c_str(), times, 0);
  };
  touch(ids[0], 300);
  touch(ids[1], 100);
  touch(ids[2], 200);
  bool was_asked = false;
  const auto asked = [&] {
    was_asked = true;
    return std::vector<std::string>{ids[1]};
  };
  ASSERT_TRUE(kept().evict(int64_t{4} << 20, asked));
  EXPECT_FALSE(was_asked);  // which reads a file of each attempt that the node keeps
  for (const std::string& id : ids) EXPECT_TRUE(fs::exists(kept().folder(id)));
  ASSERT_TRUE(kept().evict(int64_t{2} << 20, asked));
  EXPECT_TRUE(fs::exists(kept().folder(ids[1])));  // in use
  EXPECT_FALSE(fs::exists(kept().folder(ids[2])));
  EXPECT_TRUE(fs::exists(kept().folder(ids[0])));
}

TEST_F(NodePathsTest, WhatGoesIsNeverFoundInPart) {
  const std::string id = *kept().open(spec_, "/a");
  write(kept().folder(id) + "/kept/file", "x");
  // As a kill in the middle of a removal leaves it.
  fs::rename(kept().folder(id), kept().folder(".going-" + id));
  fs::remove(kept().folder(".going-" + id) + "/bytes");
  EXPECT_EQ(*kept().open(spec_, "/a"), id);
  EXPECT_TRUE(fs::is_empty(kept().folder(id) + "/kept"));
  ASSERT_TRUE(kept().evict(1 << 20, [] { return std::vector<std::string>(); }));
  EXPECT_FALSE(fs::exists(kept().folder(".going-" + id)));
  EXPECT_TRUE(fs::exists(kept().folder(id) + "/what"));
}

TEST_F(NodePathsTest, AUseIsNotedWithoutMakingFilesAnew) {
  const std::string id = *kept().open(spec_, "/a");
  const auto inode = [&](const char* name) {
    struct stat st {};
    EXPECT_EQ(::stat((kept().folder(id) + name).c_str(), &st), 0);
    return std::pair(st.st_ino, st.st_mtim.tv_sec);
  };
  const timespec old[2] = {{100, 0}, {100, 0}};
  ::utimensat(AT_FDCWD, (kept().folder(id) + "/bytes").c_str(), old, 0);
  const auto bytes = inode("/bytes");
  const auto what = inode("/what");
  ASSERT_EQ(*kept().open(spec_, "/a"), id);
  EXPECT_EQ(inode("/what"), what);
  EXPECT_EQ(inode("/bytes").first, bytes.first);
  EXPECT_GT(inode("/bytes").second, 100);
}

TEST(NodePaths, NestedAndMountedOnesAreLeftOut) {
  AttemptSpec spec;
  spec.paths = default_path_rules("/root", "/root/proj");
  spec.paths.push_back({"/root/.cache/pip", {}, PathKind::kNode});
  spec.paths.push_back({"/data/live/cache", {}, PathKind::kNode});
  spec.paths.push_back({"/root/.nv", {}, PathKind::kHome});
  EXPECT_EQ(node_paths_of(spec, {"/data/live"}),
            (std::vector<std::string>{"/root/.cache", "/root/.triton"}));
}

}  // namespace
}  // namespace devrun::sandbox
