// How the ranks of one attempt reach each other: keys, files, an sshd where the volume has one, and a rank that stays for
// rank 0.
#include "agent/sandbox/rank_ssh.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

AttemptSpec gang(AttemptSpec spec, uint32_t rank) {
  spec.ranks = 2;
  spec.key.rank = rank;
  spec.rank_addresses = {"127.0.0.1", "127.0.0.2"};
  spec.ssh_seed = std::string(32, 's');
  return spec;
}

std::string content_of(const std::vector<SmallFile>& files, std::string_view name) {
  for (const SmallFile& file : files) {
    if (file.name == name) return file.content;
  }
  return {};
}

TEST(RankSsh, SessionsBeginWithTheRanksEnvironment) {
  const AttemptSpec spec = gang({}, 1);
  const auto files = *rank_ssh_files(spec, {"A=it's \"1\"\nand 2", "B-C=x", "D=$HOME"});
  EXPECT_TRUE(content_of(files, "session")
                  .starts_with("export A='it'\\''s \"1\"\nand 2'\nexport D='$HOME'\nshell="));
  EXPECT_NE(content_of(files, "sshd_config").find("ListenAddress 127.0.0.2:"), std::string::npos);
  EXPECT_NE(content_of(files, "config").find("Host 127.0.0.1 127.0.0.2\n"), std::string::npos);
}

TEST(RankSsh, AddressesThatAreNotTheirOwnMakeNone) {
  AttemptSpec spec = gang({}, 1);
  EXPECT_TRUE(has_rank_ssh(spec));
  spec.rank_addresses = {"127.0.0.1", "127.0.0.1"};
  EXPECT_FALSE(has_rank_ssh(spec));
  spec.rank_addresses = {"127.0.0.1", ""};
  EXPECT_FALSE(has_rank_ssh(spec));
  spec.rank_addresses = {"fd00::1", "fd00::2"};
  const auto files = *rank_ssh_files(spec, {});
  EXPECT_NE(content_of(files, "sshd_config").find("ListenAddress [fd00::2]:"), std::string::npos);
}

TEST(RankSsh, SlotsAreGpusOrCpus) {
  AttemptSpec spec = gang({}, 0);
  spec.resources.cpu_milli = 3500;
  EXPECT_EQ(host_file(spec), "127.0.0.1 slots=3\n127.0.0.2 slots=3\n");
  spec.resources.gpus = 8;
  EXPECT_EQ(host_file(spec), "127.0.0.1 slots=8\n127.0.0.2 slots=8\n");
}

class RankSshTest : public SandboxTest {
 protected:
  // Stands for an sshd: init runs it, and it lives.
  void put_sshd() {
    std::filesystem::create_directories(host_.path("tree/usr/sbin"));
    std::ofstream(host_.path("tree/usr/sbin/sshd")) << "#!/bin/sh\nexec sleep 1000\n";
    ::chmod(host_.path("tree/usr/sbin/sshd").c_str(), 0755);
  }
  std::unique_ptr<shim::ShimLink> link(const AttemptSpec& spec) {
    auto made = shim::ShimLink::connect(host_.sandboxes().folder(spec.key), ear_.handlers());
    return made ? std::move(*made) : nullptr;
  }
  bool says(const AttemptSpec& spec, const std::string& text) {
    return eventually([&] { return host_.out(spec.key) == text; });
  }
  Ear ear_;
};

TEST_F(RankSshTest, ItsFilesAreTheCallersAndNoWriteOfTheJob) {
  std::filesystem::create_directories(host_.path("tree/etc/ssh/ssh_config.d"));
  AttemptSpec spec =
      gang(host_.shell("stat -c '%a %u' /run/devrun/ssh/id_ed25519; cat $DEVRUN_HOSTFILE; "
                       "grep -c IdentityFile /etc/ssh/ssh_config.d/devrun-ranks.conf"),
           0);
  spec.program.caller.uid = spec.program.caller.gid = 1000;
  EXPECT_EQ(host_.run(spec).status, 0);
  EXPECT_EQ(host_.out(spec.key), "600 1000\n127.0.0.1 slots=1\n127.0.0.2 slots=1\n1\n");
  EXPECT_EQ(host_.sandboxes().written(spec.key)->files, 0u);
}

TEST_F(RankSshTest, ARankThatHasEndedStaysForRankZeroWhileItsSshdLives) {
  put_sshd();
  const AttemptSpec spec = gang(host_.shell("echo done"), 1);
  ASSERT_TRUE(host_.start(spec));
  const auto shim = link(spec);
  ASSERT_NE(shim, nullptr);
  EXPECT_TRUE(says(spec, "done\n"));
  EXPECT_FALSE(ear_.with([](const Ear& ear) { return ear.state.ending.has_value(); }));
  EXPECT_TRUE(shim->first_rank_ended());
  EXPECT_EQ(host_.wait(spec.key).status, 0);
}

TEST_F(RankSshTest, ItHasSucceededWhateverEndsItsStay) {
  put_sshd();
  const AttemptSpec stays = gang(host_.shell("echo done"), 1);
  ASSERT_TRUE(host_.start(stays));
  const auto shim = link(stays);
  EXPECT_TRUE(
      eventually([&] { return ear_.with([](const Ear& ear) { return ear.state.stays; }); }));
  EXPECT_TRUE(shim->signal(15));
  EXPECT_TRUE(shim->signal(10));
  EXPECT_TRUE(shim->kill_all());
  EXPECT_EQ(host_.wait(stays.key).status, 0);
}

TEST_F(RankSshTest, AFailureDoesNotStay) {
  put_sshd();
  EXPECT_EQ(host_.run(gang(host_.shell("exit 3"), 1)).status, 3);
}

TEST_F(RankSshTest, WithoutSshdAndAsRankZeroNothingStays) {
  EXPECT_EQ(host_.run(gang(host_.shell("exit 0"), 1)).status, 0);
  put_sshd();
  EXPECT_EQ(host_.run(gang(host_.shell("exit 0"), 0)).status, 0);
}

TEST_F(RankSshTest, RankZeroMayHaveEndedBefore) {
  put_sshd();
  const AttemptSpec spec = gang(host_.shell("sleep 0.5; echo done"), 1);
  ASSERT_TRUE(host_.start(spec));
  const auto shim = link(spec);
  EXPECT_TRUE(shim->first_rank_ended());
  EXPECT_EQ(host_.wait(spec.key).status, 0);
}

}  // namespace
}  // namespace devrun::sandbox
