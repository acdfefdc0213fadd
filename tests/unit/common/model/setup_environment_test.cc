// What a setup step that is run once sees, and which cannot be.
#include "common/model/setup_environment.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

using namespace std::string_literals;

TEST(SetupEnvironment, WhatSaysWhichJobNodeOrTerminalItIsIsNotSeen) {
  for (const char* name : {"TERM", "SHLVL", "COLUMNS", "SKYPILOT_TASK_ID", "DEVRUN_JOB_ID",
                           "MASTER_ADDR", "DEVRUN_TASK_RUN_0", "HOSTNAME"}) {
    EXPECT_FALSE(setup_sees(name, 1)) << name;
  }
  for (const char* name : {"PATH", "HOME", "HF_TOKEN", "SKYPILOT_SETUP_NUM_GPUS_PER_NODE",
                           "DEVRUN_TASK_SETUP_0", "TERMINFO"}) {
    EXPECT_TRUE(setup_sees(name, 1)) << name;
    EXPECT_TRUE(setup_sees(name, 2)) << name;
  }
  EXPECT_TRUE(setup_sees("SKYPILOT_SETUP_NODE_RANK", 1)) << "always 0";
  EXPECT_FALSE(setup_sees("SKYPILOT_SETUP_NODE_RANK", 2));
}

TEST(SetupEnvironment, ItsPartOfAnEnvironmentHasAnOrder) {
  EXPECT_EQ(environment_of_setup("B=2\0TERM=x\0A=1\0SHLVL=3\0"s, 1), "A=1\0B=2\0"s);
  EXPECT_EQ(environment_of_setup("A=1\0B=2\0"s, 1), environment_of_setup("B=2\0A=1\0"s, 1));
  EXPECT_NE(environment_of_setup("A=1\0B=2\0"s, 1), environment_of_setup("A=1\0B=3\0"s, 1));
}

TEST(SetupEnvironment, TheTextIsItsPieces) {
  EXPECT_EQ(text_of_setup("X=1\0DEVRUN_TASK_SETUP_1=b\0DEVRUN_TASK_SETUP_0=a\0"s), "ab");
  EXPECT_EQ(text_of_setup("X=1\0"s), "");
  EXPECT_FALSE(fills_places("X=1\0"s));
  EXPECT_TRUE(fills_places("X=1\0DEVRUN_TASK_PLACES=get it\0"s));
}

TEST(SetupEnvironment, ATextThatNamesItsPlaceRunsInEachAttempt) {
  EXPECT_EQ(names_its_place("pip install -r requirements.txt\nuname -m", 8), "");
  EXPECT_EQ(names_its_place("if [ \"${SKYPILOT_NODE_RANK}\" == 0 ]; then", 1), "");
  EXPECT_EQ(names_its_place("if [ \"${SKYPILOT_NODE_RANK}\" == 0 ]; then", 2),
            "SKYPILOT_NODE_RANK");
  EXPECT_EQ(names_its_place("echo $SKYPILOT_SETUP_NODE_IPS", 1), "SKYPILOT_SETUP_NODE_IPS");
  EXPECT_EQ(names_its_place("x=$(hostname)", 1), "hostname");
  EXPECT_EQ(names_its_place("echo my_hostname_file MASTER_ADDRESS", 1), "");
  EXPECT_EQ(names_its_place("cat /etc/hosts", 1), "/etc/hosts");
  EXPECT_EQ(names_its_place("a=$(ip -4 addr)", 1), "ip -");
  EXPECT_EQ(names_its_place("python3 -m pip -q install\npip a b", 1), "");
}

}  // namespace
}  // namespace devrun
