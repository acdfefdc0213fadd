// The operator's policy: what it says counts, and what it cannot say is refused whole, with the place.
#include "controller/rpc/policy_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace devrun::controller {
namespace {

TEST(PolicyFile, AllOfItIsRead) {
  const Result<Policy> policy = parse_policy(R"(
priority_step: 12h
reservations: 8
fair_share:
  half_life: 14d
  span: 2d
  shares: {ada: 2.5}
  groups:
    nlp: {share: 3, users: [ada, bob]}
limits:
  user: {running: 100, waiting: 1000, gpus: 8}
  users:
    ada: {gpus: 16}
  pools:
    a100: {gpus: 64}
dev_containers: {cpus: 2.5, memory: 16G}
gpus: {avoid_used_by_others: true, idle_warn: 30m, idle_end: 4h}
)",
                                             "policy.yaml", {});
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->priority_step, seconds(12 * 3600));
  EXPECT_EQ(policy->reservations_max, 8u);
  EXPECT_EQ(policy->fair_share.half_life, seconds(14 * 24 * 3600));
  EXPECT_EQ(policy->fair_share.shares.at("ada"), 2.5);
  EXPECT_EQ(policy->fair_share.groups.at("nlp").users.size(), 2u);
  EXPECT_EQ(policy->user_limits.gpus, 8u);
  // What is not said of one user is as for all.
  EXPECT_EQ(policy->limits_of_user.at("ada").gpus, 16u);
  EXPECT_EQ(policy->limits_of_user.at("ada").running, 100u);
  EXPECT_EQ(policy->limits_of_pool.at("a100").running, 0u);
  EXPECT_EQ(policy->dev_container_cpu_milli, 2500);
  EXPECT_EQ(policy->dev_container_memory_bytes, int64_t{16} << 30);
  EXPECT_TRUE(policy->avoid_gpus_of_others);
  EXPECT_EQ(policy->idle_gpus_warned, seconds(30 * 60));
  EXPECT_EQ(policy->idle_gpus_ended, seconds(4 * 3600));
}

TEST(PolicyFile, WhatIsWrongIsNamedWithItsPlace) {
  const auto said = [](const char* text) {
    const Result<Policy> policy = parse_policy(text, "policy.yaml", {});
    return policy ? std::string() : policy.error().message;
  };
  EXPECT_EQ(said(""), "");
  EXPECT_EQ(said("limit: {}"), "policy.yaml:1:1: there is no 'limit', did you mean 'limits'?");
  EXPECT_EQ(said("gpus: {avoid_used_by_others: perhaps}"),
            "policy.yaml:1:30: 'perhaps' is neither true nor false");
  EXPECT_EQ(said("limits:\n  user: {running: many}"),
            "policy.yaml:2:19: 'many' is no number from 0");
  EXPECT_EQ(said("fair_share: {half_life: soon}"),
            "policy.yaml:1:25: 'soon' is no span such as 12h or 7d");
  EXPECT_EQ(said("dev_containers: {cpus: none}"),
            "policy.yaml:1:24: 'none' is no number of CPUs such as 4");
  EXPECT_EQ(said("dev_containers: {memory: 1K}"), "policy.yaml:1:26: '1K' is no size such as 16G");
  EXPECT_NE(said("a: [").find("policy.yaml:1:"), std::string::npos);
  EXPECT_EQ(said("- 1"), "policy.yaml:1:1: expected a map");
  EXPECT_EQ(said("limits: {user: {gpus: 1, gpus: 2}}"),
            "policy.yaml:1:26: 'gpus' stands here twice");
  EXPECT_EQ(said("reservations: 1\n---\nreservations: 2\n"),
            "policy.yaml:3:1: a policy is one document, and another begins here");
  EXPECT_EQ(said("priority_step: 40000d"), "policy.yaml:1:16: '40000d' is more than 365d");
  EXPECT_EQ(said("aside_for: 400d\n---\n"), "");
}

// Reading one would wait until somebody writes.
TEST(PolicyFile, AFifoIsRefusedAtOnce) {
  const std::string path = ::testing::TempDir() + "policy-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Result<Policy> policy = read_policy(path, {});
  ::unlink(path.c_str());
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().message, path + " is no file");
}

TEST(PolicyFile, OneThatIsNotThereSetsNothing) {
  Policy before;
  before.reservations_max = 7;
  const Result<Policy> policy = read_policy("/nonexistent/policy.yaml", before);
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->reservations_max, 7u);
}

}  // namespace
}  // namespace devrun::controller
