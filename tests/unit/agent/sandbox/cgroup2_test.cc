// Hosts that have cgroup v2 alone, as far as a host whose controllers are in v1 can show it: cgroup2 is mounted over
// /sys/fs/cgroup in this process's namespace, so that crun and all of ours see nothing else. What has no controller there
// (memory.max, pids.max, io.stat) is left out with a line in the log, as on any such host, and is not tested here.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "agent/sandbox/device_rules.h"
#include "common/runtime/file.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

constexpr const char* kTop = "/sys/fs/cgroup";

class Cgroup2Test : public testing::Test {
 protected:
  void SetUp() override {
    if (::mount("cgroup2", kTop, "cgroup2", 0, nullptr) != 0) {
      GTEST_SKIP() << "NOT RUN: cgroup2 cannot be mounted here";
    }
    mounted_ = true;
    host_.emplace();
    host_->open();
    parent_ = host_->options().cgroup_parent;
  }
  void TearDown() override {
    host_.reset();
    if (!mounted_) return;
    EXPECT_TRUE(::rmdir((std::string(kTop) + "/" + parent_).c_str()) == 0 || errno == ENOENT);
    EXPECT_EQ(::umount2(kTop, MNT_DETACH), 0);
  }
  std::string folder_of(const AttemptKey& key) const {
    return std::string(kTop) + "/" + parent_ + "/" + folder_name(key);
  }
  static std::string processes_in(const std::string& folder) {
    const Result<std::string> text = read_file(folder + "/cgroup.procs");
    return text ? *text : std::string();
  }

  bool mounted_ = false;
  std::string parent_;
  std::optional<Host> host_;
};

TEST_F(Cgroup2Test, ItIsFoundAndNoneOfV1) {
  const CgroupHost found = CgroupHost::look();
  EXPECT_EQ(found.unified, kTop);
  EXPECT_EQ(found.cpu + found.memory + found.pids + found.devices, "");
}

TEST_F(Cgroup2Test, AnAttemptRunsInOneIsCountedKilledAndLeavesNothing) {
  const AttemptSpec spec =
      host_->shell("i=0; while test $i -lt 20000; do i=$((i+1)); done; exec sleep 1000");
  ASSERT_TRUE(host_->start(spec));
  const std::string folder = folder_of(spec.key);
  ASSERT_TRUE(eventually([&] { return !processes_in(folder).empty(); }));
  ASSERT_TRUE(eventually([&] {
    const Result<Usage> used = host_->sandboxes().usage(spec.key);
    return used && used->cpu.us > 0 && used->memory_bytes > 0;
  }));
  ASSERT_TRUE(host_->sandboxes().kill(spec.key));
  EXPECT_EQ(processes_in(folder), "");
  EXPECT_EQ(host_->wait(spec.key).status, 137);
  ASSERT_TRUE(host_->sandboxes().release(spec.key));
  EXPECT_NE(::access(folder.c_str(), F_OK), 0);
}

TEST_F(Cgroup2Test, WhatForksIsEndedAtOnce) {
  const AttemptSpec spec =
      host_->shell("for i in 1 2 3 4 5 6 7 8; do (setsid sleep 1000 &); done; exec sleep 1000");
  ASSERT_TRUE(host_->start(spec));
  const std::string folder = folder_of(spec.key);
  ASSERT_TRUE(eventually([&] {
    const std::string text = processes_in(folder);
    return std::count(text.begin(), text.end(), '\n') >= 10;
  }));
  ASSERT_TRUE(end_cgroups({folder}));
  EXPECT_EQ(processes_in(folder), "");
}

// errno of opening a device from within a cgroup; 0: it could be opened.
int open_within(const std::string& folder, const char* device) {
  const pid_t child = ::fork();
  if (child == 0) {
    const UniqueFd procs(::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (::write(procs.get(), "0", 1) != 1) ::_exit(255);
    const int fd = ::open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ::_exit(fd >= 0 ? 0 : errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST_F(Cgroup2Test, DevicesAreThoseOfTheGrant) {
  const CgroupHost found = CgroupHost::look();
  constexpr const char* kLog = "/dev/kmsg";
  const gpu::DeviceNode log{kLog, 'c', 1, 11};
  if (::access(kLog, R_OK) != 0) GTEST_SKIP() << "NOT RUN: there is no " << kLog;
  const std::vector<std::string> folders = {std::string(kTop) + "/" + parent_ + "/without",
                                            std::string(kTop) + "/" + parent_ + "/with"};
  make_device_rules(found, parent_, "without", {});
  make_device_rules(found, parent_, "with", std::span(&log, 1));
  EXPECT_EQ(open_within(folders[0], "/dev/null"), 0);
  EXPECT_EQ(open_within(folders[0], kLog), EPERM);
  EXPECT_EQ(open_within(folders[1], kLog), 0);
  EXPECT_TRUE(remove_cgroups(folders));
}

}  // namespace
}  // namespace devrun::sandbox
