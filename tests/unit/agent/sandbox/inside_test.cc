// What a program sees, and what it is found to have written.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/sandbox/seccomp.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

class InsideTest : public SandboxTest {
 protected:
  std::string say(const AttemptSpec& spec) {
    const Ending ending = host_.run(spec);
    EXPECT_EQ(ending.status, 0) << ending.reason << host_.err(spec.key);
    return host_.out(spec.key);
  }
};

TEST_F(InsideTest, CallerCwdUmaskAndEnvironment) {
  AttemptSpec spec = host_.shell(
      "id -u; id -g; id -G; umask; pwd; echo $HELLO $DEVRUN_JOB_ID "
      "$DEVRUN_VOLUME $DEVRUN_NODE $HOME; echo x > /dev/stdout");
  spec.program.caller = {1000, 1000, {1000, 44}, 027, "ada", "/home/ada"};
  EXPECT_EQ(say(spec), "1000\n1000\n1000 44\n0027\n/home/ada\nworld 1 ml node1 /home/ada\nx\n");
}

TEST_F(InsideTest, WordsAndVariablesAreBytes) {
  AttemptSpec spec = host_.spec({"sh", "-c", "echo \"$1$X\"", "sh", "\xff\xfe \"quoted\"\n"});
  spec.env = std::string("PATH=/bin\0X=\xc3(\0", 15);
  EXPECT_EQ(say(spec), "\xff\xfe \"quoted\"\n\xc3(\n");
}

TEST_F(InsideTest, ItsOwnHostnameResolvesAndTmpIsEmpty) {
  std::ofstream(host_.path("tree/tmp/old")) << "x";
  std::ofstream(host_.path("tree/run/old")) << "x";
  EXPECT_EQ(
      say(host_.shell("hostname; cat /etc/hostname; grep -c node1-1 /etc/hosts; ls /tmp /run; "
                      "echo y > /tmp/new; ls -d /usr/local/bin/devrun")),
      "node1-1\nnode1-1\n1\n/run:\ndevrun\nlock\n\n/tmp:\n/usr/local/bin/devrun\n");
}

TEST_F(InsideTest, TheKernelIsOutOfReach) {
  const AttemptSpec spec = host_.shell(
      "(echo b > /proc/sysrq-trigger) 2>/dev/null || echo no sysrq;"
      "(echo 1 > /proc/sys/vm/drop_caches) 2>/dev/null || echo no sysctl;"
      "mount -t tmpfs x /mnt 2>/dev/null || echo no mount;"
      "grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; grep NoNew "
      "/proc/self/status");
  EXPECT_EQ(
      say(spec),
      "no sysrq\nno sysctl\nno mount\nCapEff:\t00000000a00c01fb\nSeccomp:\t2\nNoNewPrivs:\t0\n");
}

TEST_F(InsideTest, InitIsPidOneAndReaps) {
  EXPECT_EQ(
      say(host_.shell("(true & ); sleep 0.1; cat /proc/[0-9]*/stat | grep -c ') Z '; echo $PPID")),
      "0\n1\n");
}

TEST_F(InsideTest, CgroupsLimitMemoryAndAreGoneAfterwards) {
  const CgroupHost cgroups = CgroupHost::look();
  if (cgroups.memory.empty() && cgroups.unified.empty()) GTEST_SKIP() << "no memory controller";
  AttemptSpec spec = host_.shell("x=a; while :; do x=$x$x; done");
  spec.resources.memory_bytes = 32 << 20;
  const Ending ending = host_.run(spec);
  EXPECT_EQ(ending.status, 137);
  EXPECT_EQ(ending.reason, "used more than its memory limit of 32 MB");
  const std::string top = cgroups.unified.empty() ? cgroups.memory : cgroups.unified;
  const std::string own = top + "/" + host_.options().cgroup_parent + "/" + folder_name(spec.key);
  EXPECT_TRUE(std::filesystem::exists(own));
  ASSERT_TRUE(host_.sandboxes().release(spec.key));
  EXPECT_FALSE(std::filesystem::exists(own));
}

TEST_F(InsideTest, WrittenIsWhatTheJobChanged) {
  std::filesystem::create_directories(host_.path("tree/opt/old"));
  std::ofstream(host_.path("tree/opt/gone")) << "x";
  std::ofstream(host_.path("tree/opt/old/kept")) << "x";
  const AttemptSpec spec = host_.shell(
      "echo longer > data; mkdir -p new/deep empty; echo 12345 > new/deep/file; rm /opt/gone;"
      "mv /opt/old /opt/renamed; echo x > /tmp/scratch; echo y > /etc/added; touch /opt");
  say(spec);
  const WrittenSummary wrote = *host_.sandboxes().written(spec.key);
  std::vector<std::string> lines;
  for (const WrittenFile& file : wrote.notable) {
    lines.push_back(std::string(1, file.kind) + " " + file.path + " " +
                    std::to_string(file.size_bytes));
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"M /home/ada/data 7", "A /home/ada/empty 0",
                                             "A /home/ada/new/deep/file 6", "A /etc/added 2",
                                             "D /opt/gone 0", "D /opt/old 0", "A /opt/renamed 0"}));
  EXPECT_EQ(wrote.files, 7u);
  EXPECT_EQ(wrote.bytes, 15);
  EXPECT_EQ(wrote.node, "node1");
  EXPECT_EQ(wrote.folder, host_.sandboxes().folder(spec.key) + "/upper");
}

TEST_F(InsideTest, MountPointsThatTheTreeLacksAreNoWrites) {
  for (const char* folder : {"proc", "sys", "dev", "run", "tmp", "var/tmp"}) {
    std::filesystem::remove(host_.path("tree/" + std::string(folder)));
  }
  const AttemptSpec spec = host_.shell("cat /etc/hosts > /dev/null && echo fine");
  EXPECT_EQ(say(spec), "fine\n");
  EXPECT_EQ(host_.sandboxes().written(spec.key)->files, 0u);
}

TEST(SeccompTest, RulesFollowArchitectureAndCapabilities) {
  const auto profile = [](const std::string& rules) {
    return R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"archMap":[],"syscalls":[)" +
           rules + "]}";
  };
  const std::string read = R"({"names":["read"],"action":"SCMP_ACT_ALLOW","args":[]})";
  const std::string alone = *compile_seccomp(profile(read));
  EXPECT_FALSE(alone.empty());
  for (const char* left_out :
       {R"({"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}})",
        R"({"names":["kcmp"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_PTRACE"]}})",
        R"({"names":["write"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm64"]}})",
        R"({"names":["no_such_call"],"action":"SCMP_ACT_ALLOW"})"}) {
    EXPECT_EQ(*compile_seccomp(profile(read + "," + left_out)), alone) << left_out;
  }
  for (
      const char* kept :
      {R"({"names":["kcmp"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_PTRACE"]}})",
       R"({"names":["bpf"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"excludes":{"caps":["CAP_SYS_ADMIN"]}})"}) {
    EXPECT_NE(*compile_seccomp(profile(read + "," + kept)), alone) << kept;
  }
  EXPECT_FALSE(compile_seccomp("{"));
  EXPECT_FALSE(compile_seccomp(profile(R"({"names":["read"],"action":"SCMP_ACT_LOVE"})")));
}

}  // namespace
}  // namespace devrun::sandbox
