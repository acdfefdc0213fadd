// What ranks are told, by the names that task files use.
#include "common/model/rank_environment.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace devrun {
namespace {

TEST(RankEnvironment, OfAGang) {
  const auto list = rank_environment({.job = 42,
                                      .rank = 1,
                                      .addresses = {"10.0.0.1", "10.0.0.2"},
                                      .gpus_per_node = 8,
                                      .master_port = 20'001,
                                      .user = "ann"});
  const std::map<std::string, std::string> env(list.begin(), list.end());
  EXPECT_EQ(env.size(), list.size());
  EXPECT_EQ(env.at("SKYPILOT_NODE_RANK"), "1");
  EXPECT_EQ(env.at("SKYPILOT_NODE_IPS"), "10.0.0.1\n10.0.0.2");
  EXPECT_EQ(env.at("SKYPILOT_NUM_NODES"), "2");
  EXPECT_EQ(env.at("SKYPILOT_NUM_GPUS_PER_NODE"), "8");
  EXPECT_FALSE(env.contains("SKYPILOT_SETUP_NODE_RANK"));
  EXPECT_EQ(env.at("SKYPILOT_TASK_ID"), "devrun-42");
  EXPECT_EQ(env.at("MASTER_ADDR"), "10.0.0.1");
  EXPECT_EQ(env.at("MASTER_PORT"), "20001");
  EXPECT_EQ(env.at("WORLD_SIZE"), "2");
  EXPECT_EQ(env.at("SKYPILOT_USER"), "ann");
  EXPECT_FALSE(env.contains("SKYPILOT_NUM_JOBS"));
}

TEST(RankEnvironment, OfAnArrayTask) {
  const auto list = rank_environment(
      {.job = 42, .task = 7, .addresses = {"h"}, .array_index = 3, .array_tasks = 10});
  const std::map<std::string, std::string> env(list.begin(), list.end());
  EXPECT_EQ(env.at("SKYPILOT_TASK_ID"), "devrun-42_7");
  EXPECT_EQ(env.at("SKYPILOT_JOB_RANK"), "3");
  EXPECT_EQ(env.at("SKYPILOT_NUM_JOBS"), "10");
}

TEST(RankEnvironment, AfterASetupItsVariablesToo) {
  const auto list = rank_environment(
      {.job = 42, .rank = 1, .addresses = {"a", "b"}, .gpus_per_node = 2, .has_setup = true});
  const std::map<std::string, std::string> env(list.begin(), list.end());
  EXPECT_EQ(env.at("SKYPILOT_SETUP_NODE_RANK"), "1");
  EXPECT_EQ(env.at("SKYPILOT_SETUP_NODE_IPS"), "a\nb");
  EXPECT_EQ(env.at("SKYPILOT_SETUP_NUM_GPUS_PER_NODE"), "2");
}

TEST(RankEnvironment, TasksOfOneFileKnowEachOthersIds) {
  const std::vector<std::string> ids{"devrun-41-0", "devrun-41-1", "devrun-41-2"};
  EXPECT_EQ(task_ids_of({43, kNoTask}, {41, 2, 3}), ids);
  EXPECT_EQ(task_ids_of({41, kNoTask}, {0, 0, 3}), ids);
  EXPECT_EQ(task_ids_of({42, 7}, {41, 1, 3})[1], "devrun-41-1_7");
  const auto list =
      rank_environment({.job = 42, .addresses = {"h"}, .task_id = "devrun-41-1", .task_ids = ids});
  const std::map<std::string, std::string> env(list.begin(), list.end());
  EXPECT_EQ(env.at("SKYPILOT_TASK_ID"), "devrun-41-1");
  EXPECT_EQ(env.at("SKYPILOT_TASK_IDS"), "devrun-41-0\ndevrun-41-1\ndevrun-41-2");
}

TEST(RankEnvironment, AJobThatStandsAloneIsTheOnlyOneOfItsIds) {
  const auto list = rank_environment({.job = 42, .task = 7, .addresses = {"h"}});
  const std::map<std::string, std::string> env(list.begin(), list.end());
  EXPECT_EQ(env.at("SKYPILOT_TASK_IDS"), "devrun-42_7");
}

TEST(MasterPort, NeighboursGetDifferentPorts) {
  std::set<uint16_t> ports;
  for (JobId job = 1; job <= 50; ++job) {
    for (int32_t task = kNoTask; task < 20; ++task) ports.insert(master_port(job, task, 1));
  }
  EXPECT_EQ(ports.size(), 50u * 21u);
  EXPECT_GE(*ports.begin(), 20'000);
  EXPECT_LT(*ports.rbegin(), 32'000);
  EXPECT_NE(master_port(1, kNoTask, 1), master_port(1, kNoTask, 2));
}

}  // namespace
}  // namespace devrun
