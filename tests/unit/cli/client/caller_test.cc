#include "cli/client/caller.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/client/controller.h"

namespace devrun::cli {
namespace {

TEST(Passwd, Entries) {
  constexpr std::string_view kPasswd =
      "root:x:0:0:root:/root:/bin/bash\n"
      "broken line\n"
      "short:x:5:5\n"
      "nan:x:abc:0::/:/bin/sh\n"
      "ada:x:1000:1001:Ada,,,:/home/ada:/usr/bin/fish\n"
      "last:x:7:7::/home/last:/bin/sh";
  const auto ada = find_passwd_entry(kPasswd, 1000);
  ASSERT_TRUE(ada);
  EXPECT_EQ(ada->user, "ada");
  EXPECT_EQ(ada->gid, 1001u);
  EXPECT_EQ(ada->home, "/home/ada");
  EXPECT_EQ(ada->shell, "/usr/bin/fish");
  EXPECT_EQ(find_passwd_entry(kPasswd, 7)->user, "last");
  EXPECT_FALSE(find_passwd_entry(kPasswd, 5));
  EXPECT_EQ(find_passwd_entry(kPasswd, "ada")->uid, 1000u);
  EXPECT_FALSE(find_passwd_entry(kPasswd, "short"));
  EXPECT_FALSE(find_passwd_entry(kPasswd, "eve"));
  EXPECT_FALSE(find_passwd_entry("", 0));
}

TEST(Environment, WhatStaysBehind) {
  for (const char* name :
       {"TMUX", "TMUX_PANE", "STY", "SSH_AUTH_SOCK", "VSCODE_X", "XDG_RUNTIME_DIR",
        "XDG_SESSION_ID", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "HOSTNAME", "SLURM_JOB_ID",
        "PMI_RANK", "OMPI_X", "CUDA_VISIBLE_DEVICES", "DEVRUN_CONTROLLER"}) {
    EXPECT_FALSE(is_inherited(name)) << name;
  }
  for (const char* name : {"PATH", "HOME", "STYLE", "DISPLAYS", "XDG_CONFIG_HOME", "SSH",
                           "CUDA_HOME", "HOSTNAMES", "DEVRUN"}) {
    EXPECT_TRUE(is_inherited(name)) << name;
  }
}

std::string block(std::vector<std::string> entries) {
  std::string out;
  for (const auto& entry : entries) out += entry + '\0';
  return out;
}

TEST(Environment, BlockAndSettings) {
  const std::vector<std::string> here{"A=1", "DISPLAY=:0", "B=2", "EMPTY="};
  EXPECT_EQ(*environment_block(here, {}), block({"A=1", "B=2", "EMPTY="}));
  EXPECT_EQ(*environment_block(here, {"A=9", "DISPLAY", "NEW=x=y"}),
            block({"B=2", "EMPTY=", "A=9", "DISPLAY=:0", "NEW=x=y"}));
  EXPECT_EQ(*environment_block(here, {"NOT_SET"}), block({"A=1", "B=2", "EMPTY="}));
  EXPECT_EQ(*environment_block(here, {"A=1", "A=2"}), block({"B=2", "EMPTY=", "A=2"}));
  EXPECT_EQ(environment_block(here, {"=x"}).error().message,
            "'=x' sets no variable: expected NAME=VALUE or NAME");
}

TEST(Environment, TooLarge) {
  const auto block = environment_block({"A=" + std::string(1 << 20, 'x')}, {});
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().message,
            "the environment has 1048579 bytes: at most 1048576 go to a job");
}

TEST(Caller, IsUs) {
  const auto caller = capture_caller();
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->uid, ::geteuid());
  EXPECT_EQ(*current_folder(), std::filesystem::current_path().string());
}

TEST(RequestId, IsARandomUuid) {
  const std::string one = *new_request_id();
  EXPECT_EQ(one.size(), 36u);
  EXPECT_EQ(one[14], '4');
  EXPECT_NE(std::string("89ab").find(one[19]), std::string::npos);
  EXPECT_NE(one, *new_request_id());
}

}  // namespace
}  // namespace devrun::cli
