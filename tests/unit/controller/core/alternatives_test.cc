// Jobs that may ask for one of several things: whichever has room first, the first of them if several have.
#include "controller/core/alternatives.h"

#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

struct Mixed : World {
  Mixed() {
    sync(with_gpus("h1", "H100"));
    sync(with_gpus("a1", "A100"));
  }
  NodeHello with_gpus(const std::string& name, const std::string& type) {
    NodeHello out = hello(name, 8);
    for (uint32_t i = 0; i < 2; ++i) out.gpus.push_back({i, type, "", int64_t{80} << 30});
    out.total.gpus = 2;
    return out;
  }
  static Resources gpus(const std::string& type, int32_t n = 2) {
    Resources out;
    out.cpu_milli = 1000;
    out.gpus = n;
    out.gpu_type = type;
    return out;
  }
  static JobSpec asking(const std::string& type) {
    JobSpec out = simple_job();
    out.per_node = gpus(type);
    return out;
  }
  static JobSpec choosing() {
    JobSpec out = asking("H100");
    out.alternatives = {gpus("H100"), gpus("A100")};
    return out;
  }
  void tick() {
    now = now + seconds(1);
    put(Tick{});
  }
  std::string node_of(JobId id) { return state.jobs.at(id).tasks.at(kNoTask).ranks.at(0).node; }
};

TEST(Alternatives, TheFirstThatHasRoomIsTaken) {
  Mixed world;
  const JobId one = world.submit(Mixed::choosing());
  EXPECT_EQ(world.node_of(one), "h1");
  const JobId two = world.submit(Mixed::choosing());
  EXPECT_EQ(world.of(two), JobState::kStarting) << "at once, without a tick";
  EXPECT_EQ(world.node_of(two), "a1");
  EXPECT_EQ(world.state.jobs.at(two).spec.per_node.gpu_type, "A100");
  EXPECT_EQ(attempt_spec(world.state, first_try(two)).resources.gpu_type, "A100");
  EXPECT_TRUE(world.replayed() == static_cast<const Ledger&>(world.state));
}

TEST(Alternatives, OneThatWaitsTakesWhicheverIsFreeFirst) {
  Mixed world;
  const JobId on_h = world.submit(Mixed::asking("H100"));
  const JobId on_a = world.submit(Mixed::asking("A100"));
  const JobId waits = world.submit(Mixed::choosing());
  EXPECT_EQ(world.reason(waits),
            "needs 2 H100 GPUs on one node; the largest free is 0 H100 GPUs on h1; or needs 2 A100 "
            "GPUs on one node; the largest free is 0 A100 GPUs on a1");
  world.end("a1", first_try(on_a), 0);
  world.tick();
  EXPECT_EQ(world.of(waits), JobState::kStarting);
  EXPECT_EQ(world.node_of(waits), "a1");
  world.end("h1", first_try(on_h), 0);
  world.tick();
  EXPECT_EQ(world.node_of(waits), "a1") << "what is placed stays what it is";
}

TEST(Alternatives, OneThatCameBeforeIsAheadOfIt) {
  Mixed world;
  const JobId on_h = world.submit(Mixed::asking("H100"));
  const JobId on_a = world.submit(Mixed::asking("A100"));
  const JobId first = world.submit(Mixed::asking("A100"));
  const JobId chooses = world.submit(Mixed::choosing());
  world.end("a1", first_try(on_a), 0);
  world.tick();
  EXPECT_EQ(world.of(first), JobState::kStarting);
  EXPECT_EQ(world.of(chooses), JobState::kQueued);
  world.end("h1", first_try(on_h), 0);
  world.tick();
  EXPECT_EQ(world.node_of(chooses), "h1");
}

TEST(Alternatives, WhatNoNodeHasIsToldOfAll) {
  Mixed world;
  JobSpec spec = Mixed::choosing();
  spec.alternatives = {Mixed::gpus("B200"), Mixed::gpus("TPU")};
  spec.per_node = spec.alternatives.front();
  const JobId id = world.submit(spec);
  EXPECT_TRUE(foresee(world.state, world.state.jobs.at(id), world.now).never);
  EXPECT_NE(world.reason(id).find("; or needs 2 TPU GPUs"), std::string::npos) << world.reason(id);
  world.sync(world.with_gpus("t1", "TPU"));
  world.tick();
  EXPECT_EQ(world.node_of(id), "t1");
}

TEST(Alternatives, AnArrayKeepsWhatItsFirstTaskHas) {
  Mixed world;
  const JobId on_h = world.submit(Mixed::asking("H100"));
  JobSpec spec = Mixed::choosing();
  spec.array = {{0, 1, 1}};
  const JobId array = world.submit(spec);
  world.tick();
  EXPECT_EQ(find_task(world.state, {array, 0})->ranks.at(0).node, "a1");
  world.end("h1", first_try(on_h), 0);
  world.tick();
  EXPECT_EQ(world.state.jobs.at(array).spec.per_node.gpu_type, "A100");
  EXPECT_EQ(find_task(world.state, {array, 1}), nullptr) << "it waits for a1";
  world.end("a1", first_try(array, 0), 0);
  world.tick();
  EXPECT_EQ(find_task(world.state, {array, 1})->ranks.at(0).node, "a1");
}

TEST(Alternatives, AnotherAttemptAsksForTheSame) {
  Mixed world;
  JobSpec spec = Mixed::choosing();
  spec.retries = 1;
  const JobId on_h = world.submit(Mixed::asking("H100"));
  const JobId id = world.submit(spec);
  EXPECT_EQ(world.node_of(id), "a1");
  world.end("h1", first_try(on_h), 0);
  world.end("a1", first_try(id), 1);
  for (int i = 0; i < 5; ++i) world.tick();
  EXPECT_EQ(world.node_of(id), "a1");
}

TEST(Alternatives, ALimitThatOnlyOneIsAboveLeavesTheOther) {
  Mixed world;
  Policy policy = world.state.policy;
  policy.user_limits.gpus = 3;
  world.put(SetPolicy{policy});
  world.submit(Mixed::asking("H100"));
  JobSpec spec = Mixed::choosing();
  spec.alternatives = {Mixed::gpus("A100"), Mixed::gpus("A100", 1)};
  spec.per_node = spec.alternatives.front();
  const JobId id = world.submit(spec);
  EXPECT_EQ(world.of(id), JobState::kStarting);
  EXPECT_EQ(world.state.jobs.at(id).spec.per_node.gpus, 1);
}

}  // namespace
}  // namespace devrun::controller::testing
