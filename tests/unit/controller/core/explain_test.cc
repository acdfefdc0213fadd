// What `explain` names is what holds the job: under random clusters, whatever it names is taken away on a copy of the state,
// until the job starts. A reason that was not true, or not the binding one, would come again or keep the job for ever.
#include <random>

#include "common/model/fits.h"
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

constexpr int kRemovalsMax = 8;

// All else that waits goes, so that nothing is ahead.
void leave_alone(World& world, JobId keep) {
  std::vector<JobId> others;
  for (const QueueKey& queued : world.state.queue) {
    if (queued.job != keep) others.push_back(queued.job);
  }
  for (const JobId id : others) {
    const auto& followers = world.state.followers;
    const auto it = followers.find(id);
    if (it != followers.end() && it->second.count(keep) != 0) continue;
    world.put(Cancel{{id, kNoTask}, 0});
  }
}

void end_job(World& world, JobId id, int32_t status) {
  const Job& job = world.state.jobs.at(id);
  std::vector<std::pair<std::string, AttemptKey>> live;
  for (const auto& [name, node] : world.state.nodes) {
    for (const AttemptKey& key : node.live) {
      if (key.job == job.id) live.emplace_back(name, key);
    }
  }
  if (live.empty()) world.put(Cancel{{id, kNoTask}, 0});
  for (const auto& [node, key] : live) world.end(node, key, status);
}

void remove_reason(World& world, JobId id, const std::string& reason, int round) {
  const JobSpec spec = world.state.jobs.at(id).spec;
  const auto has = [&](std::string_view words) { return reason.find(words) != std::string::npos; };
  if (has("has to")) {
    const JobId other = std::stoull(reason.substr(reason.find("job ") + 4));
    end_job(world, other, has("fail first") ? 1 : 0);
  } else if (has("begins after a pause")) {
    world.now = world.now + world.state.policy.retry_pause_max;
    world.put(Tick{});
  } else if (has("of its tasks run")) {
    end_job(world, id, 0);
  } else if (has("limit of user")) {
    Policy policy = world.state.policy;
    policy.user_limits = {};
    world.put(SetPolicy{policy});
  } else if (has("limit of pool")) {
    Policy policy = world.state.policy;
    policy.limits_of_pool.clear();
    world.put(SetPolicy{policy});
  } else if (has("kept for job")) {
    leave_alone(world, id);
  } else {
    // Of nodes: as many as it asks for, with what it asks for.
    for (uint32_t i = 0; i < spec.nodes; ++i) {
      NodeHello hello = world.hello("new" + std::to_string(round) + "_" + std::to_string(i), 64);
      if (!spec.pool.empty()) hello.pools = {spec.pool};
      hello.labels = spec.node_labels;
      if (!needed_site(spec).empty()) hello.site_paths = {needed_site(spec)};
      for (int32_t gpu = 0; gpu < spec.per_node.gpus; ++gpu) {
        hello.gpus.push_back({static_cast<uint32_t>(gpu), spec.per_node.gpu_type, "gpu", 0});
      }
      hello.total.gpus = spec.per_node.gpus;
      world.sync(hello);
    }
  }
}

bool waits(const World& world, JobId id) {
  const Job& job = world.state.jobs.at(id);
  return !job.outcome && next_task(job) && job.running_tasks == 0;
}

void check_reasons(World world, JobId id) {
  std::string told;
  for (int round = 0; round < kRemovalsMax; ++round) {
    if (!waits(world, id)) return;
    const std::string reason = world.reason(id);
    told += "\n  " + reason;
    ASSERT_FALSE(reason.empty()) << "job " << id << " waits without a reason" << told;
    ASSERT_EQ(reason.find("about to be placed"), std::string::npos) << "job " << id << told;
    remove_reason(world, id, reason, round);
  }
  EXPECT_FALSE(waits(world, id)) << "job " << id << " was told to wait for:" << told;
}

JobSpec some_job(World& world, std::mt19937_64& random) {
  const auto pick = [&](uint64_t n) { return random() % n; };
  JobSpec spec = simple_job(1 + static_cast<int64_t>(pick(6)));
  spec.user = "u" + std::to_string(pick(3));
  spec.root.tree.bytes[0] = 1;
  spec.per_node.gpus = static_cast<int32_t>(pick(3) == 0 ? 1 + pick(3) : 0);
  if (spec.per_node.gpus > 0 && pick(2) == 0) spec.per_node.gpu_type = "A";
  if (pick(3) == 0) spec.pool = "p" + std::to_string(pick(2));
  if (pick(4) == 0) spec.nodes = static_cast<uint32_t>(2 + pick(2));
  if (pick(2) == 0) spec.time_limit = seconds(static_cast<int64_t>(60 + pick(3600)));
  if (pick(6) == 0) {
    spec.array = {{0, 5, 1}};
    spec.array_running_max = static_cast<uint32_t>(1 + pick(2));
  }
  if (pick(4) == 0) {
    spec.paths = {{"/lustre", {}, PathKind::kSite}};
    spec.program.cwd = pick(2) == 0 ? "/lustre/ada" : "/root";
  }
  const JobId jobs = world.state.next_job;
  if (jobs > 2 && pick(5) == 0)
    (pick(2) == 0 ? spec.after : spec.after_fail) = {1 + pick(jobs - 1)};
  return spec;
}

TEST(Explain, WhatItNamesIsTrueAndTakingItAwayLetsTheJobStart) {
  size_t checked = 0;
  for (uint64_t seed = 1; seed <= 30 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto pick = [&](uint64_t n) { return random() % n; };
    World world;
    world.state.policy.user_limits.running = static_cast<uint32_t>(pick(3) == 0 ? 4 : 0);
    world.state.policy.limits_of_pool["p1"].running = static_cast<uint32_t>(pick(3));
    for (uint64_t n = 0; n < 4; ++n) {
      NodeHello hello = world.hello("n" + std::to_string(n), 4);
      if (n % 2 == 0) hello.pools = {"p1"};
      if (n < 3) hello.site_paths = {"/lustre"};
      if (n == 1) hello.leaves = world.now + seconds(static_cast<int64_t>(pick(7200)));
      if (n < 2) hello.gpus = {{0, n == 0 ? "A" : "B", "gpu", 0}};
      hello.total.gpus = static_cast<int32_t>(hello.gpus.size());
      world.sync(hello);
    }
    for (int i = 0; i < 30; ++i) {
      world.now = world.now + seconds(static_cast<int64_t>(pick(300)));
      world.put(Submit{"r" + std::to_string(++world.requests), some_job(world, random), {}});
      if (pick(3) == 0) world.put(Tick{});
    }
    for (const QueueKey& queued : world.state.queue) {
      check_reasons(world, queued.job);
      ++checked;
    }
  }
  EXPECT_GT(checked, 300u);
}

}  // namespace
}  // namespace devrun::controller::testing
