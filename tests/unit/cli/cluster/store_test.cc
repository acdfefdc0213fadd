// The store's image on the real kernel: made once, mounted in one namespace alone, gone with it. Needs root.
#include "cli/cluster/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "cli/cluster/census.h"
#include "cli/cluster/ending.h"
#include "cli/cluster/process.h"
#include "common/runtime/file.h"

namespace devrun::cluster {
namespace {

// A process that pins a mount namespace of its own, as a keeper does.
class Namespace {
 public:
  Namespace() {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const bool made = ::unshare(CLONE_NEWNS) == 0 &&
                        ::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0;
      [[maybe_unused]] const ssize_t n = ::write(ready[1], made ? "y" : "n", 1);
      for (;;) ::pause();
    }
    char made = 0;
    EXPECT_EQ(::read(ready[0], &made, 1), 1);
    EXPECT_EQ(made, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
    fd_ = open_file(fmt::format("/proc/{}/ns/mnt", pid_), O_RDONLY).value();
  }
  ~Namespace() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int fd() const { return fd_.get(); }
  pid_t pid() const { return pid_; }
  void let_go() { fd_.reset(); }

 private:
  pid_t pid_ = 0;
  UniqueFd fd_;
};

class Store : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: mounts and loop devices are NOT tested";
    char folder[] = "/tmp/devrun-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    layout_.folder = folder;
    ASSERT_TRUE(make_folders(layout_.store()));
  }
  void TearDown() override {
    if (layout_.folder.empty()) return;
    EXPECT_TRUE(verify_nothing_left(layout_));
    std::filesystem::remove_all(layout_.folder);
  }
  Layout layout_;
};

TEST_F(Store, IsPreallocatedAndMadeOnce) {
  ASSERT_TRUE(ensure_image(layout_, kImageBytesMin));
  struct stat first {};
  ASSERT_EQ(::stat(layout_.image().c_str(), &first), 0);
  EXPECT_EQ(first.st_size, kImageBytesMin);
  EXPECT_GE(first.st_blocks * 512, kImageBytesMin) << "not sparse";
  ASSERT_TRUE(ensure_image(layout_, {}));
  struct stat second {};
  ASSERT_EQ(::stat(layout_.image().c_str(), &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
}

TEST_F(Store, IsSeenInItsNamespaceAloneAndGoesWithIt) {
  ASSERT_TRUE(ensure_image(layout_, kImageBytesMin));
  {
    const Namespace space;
    ASSERT_TRUE(mount_store(layout_, true, space.fd()));
    ASSERT_TRUE(mount_store(layout_, true, space.fd())) << "again: nothing to do";
    EXPECT_EQ(loop_devices_of(layout_.image()).size(), 1u);
    EXPECT_FALSE(std::filesystem::exists(layout_.exported())) << "not in ours";
    const std::string inside = fmt::format("/proc/{}/root{}", space.pid(), layout_.exported());
    EXPECT_TRUE(std::filesystem::exists(inside));
    const Census census = take_census(layout_);
    ASSERT_EQ(census.members.size(), 1u);
    EXPECT_EQ(census.members.front().process.pid, space.pid());
    EXPECT_TRUE(census.own_mounts.empty());
  }
  EXPECT_TRUE(wait_until(seconds(5), [&] { return loop_devices_of(layout_.image()).empty(); }));
}

TEST_F(Store, KeepsItsBlocksWhenFilesAreRemoved) {
  ASSERT_TRUE(ensure_image(layout_, kImageBytesMin));
  const Namespace space;
  ASSERT_TRUE(mount_store(layout_, true, space.fd()));
  ASSERT_TRUE(run_in_namespace(space.fd(), [&]() -> Status {
    const std::string file = layout_.store() + "/large";
    TRY(write_file_durably(file, std::string(64 << 20, 'x')));
    ::unlink(file.c_str());
    return sync_folder(layout_.store());
  }));
  struct stat st {};
  ASSERT_EQ(::stat(layout_.image().c_str(), &st), 0);
  EXPECT_GE(st.st_blocks * 512, kImageBytesMin);
}

TEST_F(Store, AnErrorInTheNamespaceComesBackWhole) {
  const Namespace space;
  const Status failed = run_in_namespace(space.fd(), []() -> Status {
    return Error{Code::kConflict, "no\nluck", "try again"};
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kConflict);
  EXPECT_EQ(failed.error().message, "no\nluck");
  EXPECT_EQ(failed.error().hint, "try again");
}

TEST_F(Store, EverythingInItsNamespaceIsEnded) {
  ASSERT_TRUE(ensure_image(layout_, kImageBytesMin));
  Namespace space;
  ASSERT_TRUE(mount_store(layout_, true, space.fd()));
  space.let_go();
  const Result<Ended> ended = end_members(layout_);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->processes, 1);
  EXPECT_TRUE(verify_nothing_left(layout_));
}

}  // namespace
}  // namespace devrun::cluster
