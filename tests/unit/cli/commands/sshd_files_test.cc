#include "cli/commands/sshd_files.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

std::string settings(const std::vector<std::string>& environment) {
  const std::string config = sshd_config("/k", environment);
  const size_t at = config.find("SetEnv");
  return at == std::string::npos ? "" : config.substr(at);
}

TEST(SshdFiles, TheKeysAreThoseOfTheFolder) {
  const std::string config = sshd_config("/dev/shm/x", {});
  EXPECT_TRUE(
      config.starts_with("HostKey /dev/shm/x/host_key\n"
                         "HostCertificate /dev/shm/x/host_key-cert.pub\n"
                         "AuthorizedKeysFile /dev/shm/x/authorized_keys\n"
                         "AuthenticationMethods publickey\n"));
  EXPECT_EQ(config.find("SetEnv"), std::string::npos);
}

TEST(SshdFiles, TheEnvironmentGoesAlongWithoutWhatIsSshdsOwn) {
  EXPECT_EQ(
      settings({"PATH=/a:/b c", "HOME=/x", "SHELL=/bin/x", "SSH_AUTH_SOCK=/s", "E=", "Q=it's #1",
                "DEVRUN_SSH_HOST_KEY=secret", "DEVRUN_JOB_ID=42", "_=x", "none"}),
      "SetEnv \"PATH=/a:/b c\" \"E=\" \"Q=it's #1\" \"DEVRUN_JOB_ID=42\"\n");
}

TEST(SshdFiles, ValuesThatSshdCannotBeToldAreLeftOut) {
  EXPECT_EQ(settings({"A=x\ny", "B={\"a\": 1}", "C=back\\slash", "D=1"}), "SetEnv \"D=1\"\n");
}

TEST(SshdFiles, GroupsAreThoseOfTheFile) {
  const std::string file =
      "root:x:0:\nada:x:1000:\nlab:x:2000:bob,ada\nnot:x:3000:adam\nbad:x:y:ada\n";
  EXPECT_EQ(groups_of(file, "ada", 1000), (std::vector<uint32_t>{1000, 2000}));
  EXPECT_EQ(groups_of("", "ada", 7), std::vector<uint32_t>{7});
}

TEST(SshdFiles, ALockedAccountIsKnown) {
  const std::string file = "root:!locked::0:99999:7:::\nada:*:1::\nbob:!:1::\n";
  EXPECT_TRUE(is_locked(file, "root"));
  EXPECT_FALSE(is_locked(file, "ada"));
  EXPECT_TRUE(is_locked(file, "bob"));
  EXPECT_FALSE(is_locked(file, "eve"));
}

TEST(SshdFiles, WhatInstallsItIsWhatIsThere) {
  const auto words = [](std::string_view program) {
    return sshd_install_words([&](std::string_view one) { return one == program; });
  };
  EXPECT_EQ(words("apt-get"), "sh -c 'apt-get update && apt-get install -y openssh-server'");
  EXPECT_EQ(words("apk"), "apk add openssh-server");
  EXPECT_EQ(words("busybox"), "");
}

}  // namespace
}  // namespace devrun::cli
