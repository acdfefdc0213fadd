// Deaths for want of memory are told from other KILLs, by what cgroups of v1 and v2 count.
#include "agent/shim/memory_events.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace devrun::shim {
namespace {

class MemoryEvents : public testing::Test {
 protected:
  MemoryEvents() {
    char name[] = "/tmp/devrun-memory-XXXXXX";
    EXPECT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  ~MemoryEvents() override { std::filesystem::remove_all(folder_); }

  void file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  Ending explained(int32_t status) {
    Ending ending{EndCause::kExited, status, status > 128 ? "killed by signal 9 (KILL)" : "", ""};
    explain_memory_kill({"/nonexistent", folder_}, ending);
    return ending;
  }
  std::string folder_;
};

TEST_F(MemoryEvents, TheLimitIsNamedByV2) {
  file("memory.events", "low 0\nhigh 0\nmax 31\noom 1\noom_kill 1\noom_group_kill 0\n");
  file("memory.max", "67108864\n");
  const Ending ending = explained(137);
  EXPECT_EQ(ending.reason, "used more than its memory limit of 64 MB");
  EXPECT_EQ(ending.hint, "a larger --memory");
  EXPECT_EQ(ending.status, 137);
}

TEST_F(MemoryEvents, TheLimitIsNamedByV1) {
  file("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  file("memory.failcnt", "205\n");
  file("memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(explained(137).reason, "used more than its memory limit of 1.0 GB");
}

TEST_F(MemoryEvents, AProgramThatLivedOnKeepsItsStatus) {
  file("memory.events", "oom 1\noom_kill 1\n");
  file("memory.max", "67108864\n");
  const Ending ending = explained(1);
  EXPECT_EQ(ending.status, 1);
  EXPECT_EQ(
      ending.reason,
      "exited with 1; a process of it used more than its memory limit of 64 MB and was killed");
}

TEST_F(MemoryEvents, ANodeWithoutMemoryIsNoLimit) {
  file("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  file("memory.failcnt", "0\n");
  file("memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(explained(137).reason, "was killed because the node's memory was used up");
}

TEST_F(MemoryEvents, AnyOtherKillIsWhatItWas) {
  EXPECT_EQ(explained(137).reason, "killed by signal 9 (KILL)");  // nothing counts here
  file("memory.events", "low 0\nhigh 0\nmax 31\noom 0\noom_kill 0\n");
  EXPECT_EQ(explained(137).reason, "killed by signal 9 (KILL)");
}

TEST_F(MemoryEvents, SuccessIsSuccess) {
  file("memory.events", "oom 1\noom_kill 1\n");
  EXPECT_EQ(explained(0).reason, "");
}

}  // namespace
}  // namespace devrun::shim
