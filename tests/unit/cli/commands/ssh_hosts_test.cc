#include "cli/commands/ssh_hosts.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

std::string name_of(std::string_view name) {
  const auto host = parse_ssh_host(name);
  return host ? ssh_name_of(*host) : host.error().message;
}

TEST(SshHosts, WhatReadsAsAJobIsOne) {
  for (const char* name : {"42", "42.devrun", "42_3.devrun", "42.1.devrun", "42_3.1.devrun"}) {
    const auto host = parse_ssh_host(name);
    ASSERT_TRUE(host) << name;
    ASSERT_TRUE(host->job) << name;
    EXPECT_EQ(host->job->job, 42u);
  }
  EXPECT_EQ(parse_ssh_host("42.1.devrun")->job->rank, 1u);
  EXPECT_EQ(parse_ssh_host("42_3.devrun")->job->task, 3);
  EXPECT_EQ(name_of("42_3.1"), "42_3.1.devrun");
}

TEST(SshHosts, OthersAreVolumes) {
  for (const char* name : {"ada", "ada.devrun", "a.b-c_d.devrun", "42x.devrun", "0.devrun"}) {
    const auto host = parse_ssh_host(name);
    ASSERT_TRUE(host) << name;
    EXPECT_FALSE(host->job) << name;
  }
  EXPECT_EQ(parse_ssh_host("a.b.devrun")->volume, "a.b");
  EXPECT_EQ(parse_ssh_host("devrun.devrun")->volume, "devrun");
  for (const char* name : {"", ".devrun", "Ada.devrun", "a b", "42#2.devrun", "$(x).devrun"}) {
    EXPECT_FALSE(parse_ssh_host(name)) << name;
  }
}

TEST(SshHosts, TheConfigurationLeadsToTheProxy) {
  EXPECT_EQ(
      ssh_config_text({{"/usr/bin/devrun"}, "/home/ada/.config/devrun/ssh", "ada", {"a", "42"}}),
      "# Made by `devrun ssh-config`, which writes it anew. VOLUME.devrun is a volume's dev "
      "container; 42.devrun,\n"
      "# 42_3.devrun and 42.1.devrun are job 42, its task 3 and its rank 1.\n"
      "Host a.devrun *.devrun\n"
      "  User ada\n"
      "  ProxyCommand /usr/bin/devrun ssh-proxy '%n' '%r'\n"
      "  IdentityFile /home/ada/.config/devrun/ssh/id_ed25519\n"
      "  IdentitiesOnly yes\n"
      "  UserKnownHostsFile /home/ada/.config/devrun/ssh/known_hosts\n"
      "  GlobalKnownHostsFile /dev/null\n"
      "  StrictHostKeyChecking yes\n"
      "  CheckHostIP no\n"
      "  UpdateHostKeys no\n");
}

TEST(SshHosts, PathsAreQuotedForWhoReadsThem) {
  const std::string text = ssh_config_text(
      {{"env", "DEVRUN_CONFIG=/a b/c", "/100%/devrun"}, "/my home/ssh", "root", {}});
  EXPECT_NE(text.find("ProxyCommand env 'DEVRUN_CONFIG=/a b/c' /100%%/devrun ssh-proxy "),
            std::string::npos);
  EXPECT_NE(text.find("IdentityFile \"/my home/ssh/id_ed25519\"\n"), std::string::npos);
}

TEST(SshHosts, AnIncludeCountsOnlyForAllHosts) {
  const auto included = [](std::string_view config) {
    return includes_file(config, "/home/ada/.ssh/devrun.conf", "/home/ada");
  };
  EXPECT_FALSE(included(""));
  EXPECT_TRUE(included("Include /home/ada/.ssh/devrun.conf"));
  EXPECT_TRUE(included("# mine\n\n  include \"~/.ssh/devrun.conf\"\nHost x\n"));
  EXPECT_TRUE(included("Include=devrun.conf\r\n"));
  EXPECT_TRUE(included("Include other *.conf\n"));
  EXPECT_FALSE(included("Include conf.d/*\n"));
  EXPECT_FALSE(included("# Include devrun.conf\n"));
  EXPECT_FALSE(included("Host x\n  Include devrun.conf\n"));
  EXPECT_FALSE(included("Match all\nInclude devrun.conf\n"));
  EXPECT_TRUE(included(include_line("/home/ada/.ssh/devrun.conf") + "\n"));
  EXPECT_TRUE(includes_file(include_line("/my home/x"), "/my home/x", "/my home"));
}

}  // namespace
}  // namespace devrun::cli
