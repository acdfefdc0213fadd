// What the kernel's overlay leaves in an upper, as it is told.
#include "agent/home/upper_reader.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tests/unit/agent/home/overlay.h"

namespace devrun::home {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

class UpperReaderTest : public testing::Test {
 protected:
  fs::path job(const std::string& path) const { return overlay_.merged() / path; }
  fs::path below(const std::string& path) const { return overlay_.lower() / path; }
  std::vector<UpperItem> told() const { return read_all(overlay_.view()); }

  Overlay overlay_;
};

TEST_F(UpperReaderTest, NothingWrittenIsNothingTold) {
  write(below("root/proj/a"), "a");
  overlay_.mount();
  EXPECT_TRUE(told().empty());
  // Copied up on the way, and gone again.
  write(job("root/proj/x"), "x");
  fs::remove(job("root/proj/x"));
  EXPECT_TRUE(told().empty());
}

TEST_F(UpperReaderTest, FoldersComeFirstAndNamesInOrder) {
  overlay_.mount();
  write(job("root/proj/b/2"), "2");
  write(job("root/proj/b.txt"), "t");
  write(job("root/proj/b/1"), "1");
  write(job("root/proj/a"), "a");
  EXPECT_EQ(paths_of(told()), (Paths{"", "root", "root/proj", "root/proj/a", "root/proj/b",
                                     "root/proj/b/1", "root/proj/b/2", "root/proj/b.txt"}));
}

TEST_F(UpperReaderTest, EachKindOfChange) {
  write(below("root/proj/gone"), "g");
  write(below("root/proj/edited"), "e");
  write(below("root/proj/moved/inside"), "i");
  write(below("root/proj/cleared/old"), "o");
  write(below("root/proj/shown"), "s");
  overlay_.mount();
  fs::remove(job("root/proj/gone"));
  write(job("root/proj/edited"), "edited");
  fs::rename(job("root/proj/moved"), job("root/proj/there"));
  fs::remove_all(job("root/proj/cleared"));
  write(job("root/proj/cleared/new"), "n");
  fs::create_symlink("edited", job("root/proj/link"));
  ASSERT_EQ(::mkfifo(job("root/proj/fifo").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(job("root/proj/shown").c_str(), 04711), 0);
  ASSERT_EQ(::setxattr(job("root/proj/shown").c_str(), "user.note", "hi", 2, 0), 0);
  const int made = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  job("root/proj/socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(made);

  auto all = by_path(told());
  EXPECT_TRUE(all.at("root/proj/gone").whiteout);
  EXPECT_EQ(all.at("root/proj/edited").entry.size, 6u);
  EXPECT_TRUE(all.at("root/proj/moved").whiteout);
  EXPECT_EQ(all.at("root/proj/there").redirect, "moved");
  EXPECT_TRUE(all.at("root/proj/cleared").opaque);
  EXPECT_EQ(all.count("root/proj/cleared/new"), 1u);
  EXPECT_EQ(all.at("root/proj/link").entry.link_target, "edited");
  EXPECT_EQ(all.at("root/proj/fifo").entry.type, tree::EntryType::kFifo);
  EXPECT_EQ(all.at("root/proj/shown").entry.mode, 04711u);
  EXPECT_EQ(all.at("root/proj/shown").entry.xattrs,
            (std::vector<tree::Xattr>{{"user.note", "hi"}}));
  EXPECT_EQ(all.count("root/proj/socket"), 0u);
}

TEST_F(UpperReaderTest, WhiteoutsOfNewerKernels) {
  write(below("root/proj/gone"), "g");
  write(below("root/proj/kept"), "k");
  fs::create_directories(overlay_.folder() / "upper/root/proj");
  const fs::path folder = overlay_.folder() / "upper/root/proj";
  write(folder / "gone", "");
  ASSERT_EQ(::setxattr((folder / "gone").c_str(), "trusted.overlay.whiteout", "", 0, 0), 0);
  ASSERT_EQ(::setxattr(folder.c_str(), "trusted.overlay.opaque", "x", 1, 0), 0);
  auto all = by_path(told());
  EXPECT_TRUE(all.at("root/proj/gone").whiteout);
  EXPECT_FALSE(all.at("root/proj").opaque);
}

TEST_F(UpperReaderTest, OnlyNamesThatAreTheJobsCountAsLinks) {
  write(below("root/proj/one"), "1");
  fs::create_hard_link(below("root/proj/one"), below("root/proj/two"));
  overlay_.mount();
  write(job("root/proj/one"), "changed");  // the index has a name of its own
  write(job("root/proj/own"), "own");
  fs::create_hard_link(job("root/proj/own"), job("root/proj/own2"));
  fs::create_directories(job("root/.cache"));
  fs::create_hard_link(job("root/proj/own"), job("root/.cache/own3"));  // which stays on the node
  auto all = by_path(told());
  EXPECT_EQ(all.at("root/proj/one").entry.links, 1u);
  EXPECT_EQ(all.at("root/proj/own").entry.links, 2u);
  EXPECT_EQ(all.at("root/proj/own2").entry.links, 2u);
  EXPECT_EQ(all.at("root/proj/own").entry.inode, all.at("root/proj/own2").entry.inode);
}

TEST_F(UpperReaderTest, WhatStaysOnTheNodeIsNotTold) {
  overlay_.mount();
  write(job("root/.cache/pip/x"), "x");
  write(job("root/proj/__pycache__/m.pyc"), "x");
  write(job("root/proj/m.py"), "x");
  write(job("root/.cache/repo/.git/config"), "x");  // of a kind of its own: kept
  write(job("tmp/x"), "x");
  write(job("etc/hosts"), "the sandbox's");
  write(job("usr/lib/y"), "kept");
  EXPECT_EQ(paths_of(told()),
            (Paths{"", "root", "root/.cache", "root/.cache/repo", "root/.cache/repo/.git",
                   "root/.cache/repo/.git/config", "root/proj", "root/proj/m.py", "usr", "usr/lib",
                   "usr/lib/y"}));
}

TEST_F(UpperReaderTest, NewFoldersAndChangedOnesAreTold) {
  fs::create_directories(below("root/proj/mode"));
  fs::create_directories(below("root/proj/same"));
  overlay_.mount();
  fs::create_directories(job("root/proj/new/empty"));
  ASSERT_EQ(::chmod(job("root/proj/mode").c_str(), 0700), 0);
  write(job("root/proj/same/__pycache__/x"), "x");
  fs::create_directories(job("root/sky_workdir"));
  auto all = by_path(told());
  EXPECT_EQ(all.count("root/proj/new/empty"), 1u);
  EXPECT_EQ(all.at("root/proj/mode").entry.mode, 0700u);
  EXPECT_EQ(all.count("root/proj/same"), 0u);
  EXPECT_EQ(all.count("root/sky_workdir"), 0u);
}

TEST_F(UpperReaderTest, TheLinkToATasksWorkIsNeverTold) {
  const auto all = [](const Seen&) { return Choice{true}; };
  overlay_.mount();
  fs::create_directories(job("root"));
  fs::create_symlink("/root/proj", job("root/sky_workdir"));
  write(job("root/proj/x"), "x");
  EXPECT_EQ(by_path(told()).count("root/sky_workdir"), 0u);
  EXPECT_EQ(by_path(read_all(overlay_.view(), all)).count("root/sky_workdir"), 0u);
  EXPECT_EQ(by_path(read_all(overlay_.view(), all)).count("root/proj/x"), 1u);
}

TEST_F(UpperReaderTest, DepthCostsFewDescriptors) {
  fs::create_directories(overlay_.folder() / "upper/root/proj");
  int at = ::open((overlay_.folder() / "upper/root/proj").c_str(), O_RDONLY | O_DIRECTORY);
  const std::string name(100, 'd');
  for (int i = 0; i < 300; ++i) {  // 30 KB of path
    ASSERT_EQ(::mkdirat(at, name.c_str(), 0755), 0);
    const int next = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(::openat(next, "z", O_CREAT | O_WRONLY, 0644));
    ::close(at);
    at = next;
  }
  ::close(at);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{128, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto all = told();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(all.size(), 3u + 600u);
  EXPECT_EQ(std::ranges::count_if(all, [](const UpperItem& i) { return i.path.ends_with("/z"); }),
            300);
}

int64_t resident_kib() {
  std::ifstream in("/proc/self/statm");
  int64_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * 4;
}

TEST_F(UpperReaderTest, ManyFilesCostTheirNamesAlone) {
  constexpr int kFiles = 200'000;
  const fs::path upper = overlay_.folder() / "upper/root/proj/many";
  fs::create_directories(upper);
  ASSERT_EQ(::mount("test", upper.c_str(), "tmpfs", 0, nullptr), 0);
  const int at = ::open(upper.c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < kFiles; ++i) {
    ::close(::openat(at, ("file-" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY, 0644));
  }
  ::close(at);
  const auto reader = *UpperReader::open(overlay_.view());
  const int64_t before = resident_kib();
  int64_t most = 0;
  int files = 0;
  for (;;) {
    const Result<std::optional<UpperItem>> item = reader->next();
    ASSERT_TRUE(item.has_value());
    if (!*item) break;
    if (++files % 1000 == 0) most = std::max(most, resident_kib());
  }
  EXPECT_EQ(files, kFiles + 4);
  EXPECT_LT(most - before, 16 << 10);
  EXPECT_EQ(::umount2(upper.c_str(), MNT_DETACH), 0);
}

// ── while it runs ───────────────────────────────────────────────────────────────────────────────

TEST_F(UpperReaderTest, WhatHidesOrMovesIsLeftForTheEnd) {
  write(below("root/proj/moved/inside"), "i");
  write(below("root/proj/cleared/old"), "o");
  write(below("root/proj/gone"), "g");
  overlay_.mount();
  fs::rename(job("root/proj/moved"), job("root/proj/there"));
  write(job("root/proj/there/new"), "n");
  fs::remove_all(job("root/proj/cleared"));
  write(job("root/proj/cleared/new"), "n");
  fs::remove(job("root/proj/gone"));
  write(job("usr/lib/y"), "kept");
  write(job("root/proj/out/deep/x"), "x");  // new folders, which the kernel makes opaque too
  const auto some = read_all(overlay_.view(), [](const Seen&) { return Choice{}; });
  EXPECT_EQ(paths_of(some), (Paths{"", "root", "root/proj", "root/proj/out", "root/proj/out/deep",
                                   "root/proj/out/deep/x"}));
  for (const UpperItem& item : some) EXPECT_FALSE(item.opaque) << item.path;
}

}  // namespace
}  // namespace devrun::home
