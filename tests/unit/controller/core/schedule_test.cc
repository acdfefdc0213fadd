// Order, reservations, limits and what else the schedule decides; and that it never loses step with the state, under random
// inputs (World::put compares after each).
#include <random>

#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

constexpr Duration kHour = seconds(3600);

TEST(Order, APriorityIsWorthAWaitAndNoMore) {
  World world;
  JobSpec low = simple_job(2);
  const JobId old = world.submit(low);
  world.now = world.now + seconds(25 * 3600);
  JobSpec high = simple_job(2);
  high.priority = 1;
  const JobId urgent = world.submit(high);
  world.sync(world.hello("n1", 2));
  // It has waited for longer than the step that the other is ahead.
  EXPECT_EQ(world.of(old), JobState::kStarting);
  EXPECT_EQ(world.of(urgent), JobState::kQueued);
}

TEST(Order, WhoHasUsedMoreComesLater) {
  World world;
  world.sync(world.hello("n1", 2));
  const JobId hog = world.submit(simple_job(2));
  world.now = world.now + kHour;
  world.end("n1", first_try(hog), 0);
  const JobId blocker = world.submit(simple_job(2));
  const JobId again = world.submit(simple_job(2));
  JobSpec other = simple_job(2);
  other.user = "bob";
  world.now = world.now + seconds(60);
  const JobId newcomer = world.submit(other);
  world.put(Tick{});
  EXPECT_GT(world.state.schedule.lag_of("ada"), world.state.schedule.lag_of("bob"));
  world.end("n1", first_try(blocker), 0);
  EXPECT_EQ(world.of(newcomer), JobState::kStarting);
  EXPECT_EQ(world.of(again), JobState::kQueued);
  EXPECT_EQ(foresee(world.state, world.state.jobs.at(again), world.now).place, 1u);
}

TEST(Order, SharesAndGroupsCount) {
  std::map<std::string, Account> accounts;
  accounts["ada"].usage = 300;
  accounts["bob"].usage = 100;
  accounts["eve"].usage = 0;
  FairShare policy;
  auto lag = lags(accounts, policy, {});
  EXPECT_GT(lag["ada"], lag["bob"]);
  EXPECT_EQ(lag["eve"].us, 0);
  EXPECT_LE(lag["ada"], policy.span);
  policy.shares["ada"] = 30;
  lag = lags(accounts, policy, {});
  EXPECT_LT(lag["ada"], lag["bob"]);
  policy.groups["nlp"] = {1, {"bob", "eve"}};
  policy.groups["vision"] = {9, {"ada"}};
  lag = lags(accounts, policy, {});
  EXPECT_GT(lag["eve"].us, 0) << "a member stands with the group";
}

TEST(Reservation, AGangStartsWhenItWasSaidAndBackfillDoesNotDelayIt) {
  World world;
  for (const char* name : {"n1", "n2"}) world.sync(world.hello(name, 4));
  JobSpec runs = simple_job(4);
  runs.time_limit = kHour;
  const JobId busy = world.submit(runs);
  ASSERT_EQ(find_task(world.state, {busy})->ranks[0].node, "n1");
  JobSpec gang = simple_job(4);
  gang.nodes = 2;
  const JobId waits = world.submit(gang);
  const Foresight seen = foresee(world.state, world.state.jobs.at(waits), world.now);
  EXPECT_GE(seen.start, world.now + kHour);
  EXPECT_LE(seen.start, world.now + kHour + seconds(60));
  EXPECT_EQ(seen.place, 1u);
  JobSpec small = simple_job(1);
  const JobId unlimited = world.submit(small);
  EXPECT_EQ(world.of(unlimited), JobState::kQueued);
  EXPECT_EQ(world.reason(unlimited),
            "n2 has room, which is kept for job 2, ahead of it, that needs 2 nodes with 4 cores");
  small.time_limit = seconds(2 * 3600);
  EXPECT_EQ(world.of(world.submit(small)), JobState::kQueued);
  small.time_limit = seconds(30 * 60);
  const JobId fills = world.submit(small);
  EXPECT_EQ(world.of(fills), JobState::kStarting);
  world.end("n2", first_try(fills), 0);
  world.now = world.now + kHour;
  world.end("n1", first_try(busy), 0);
  EXPECT_EQ(world.of(waits), JobState::kStarting);
  world.end("n1", first_try(waits), 0);
  world.end("n2", first_try(waits, kNoTask, 1), 0);
  EXPECT_EQ(world.of(unlimited), JobState::kStarting);
}

// Two halves of a node, taken for an hour and for half a minute more, and a job that waits for some of it.
struct Waits {
  World world;
  Time begun;
  JobId job = 0;

  explicit Waits(int64_t cores) {
    world.sync(world.hello("n1", 4));
    begun = world.now;
    JobSpec runs = simple_job(2);
    for (const Duration limit : {kHour, kHour + seconds(30)}) {
      runs.time_limit = limit;
      world.submit(runs);
    }
    job = world.submit(simple_job(cores));
  }
  // What is told of its start then.
  Time start_seen_at(Time then) {
    world.now = then;
    world.put(Tick{});
    return foresee(world.state, world.state.jobs.at(job), world.now).start;
  }
};

TEST(Reservation, TheStartThatIsToldDoesNotSlideUntilSomethingIsOverdue) {
  Waits half(2);
  const Time first = half.start_seen_at(half.begun);
  EXPECT_GE(first, half.begun + kHour);
  EXPECT_EQ(half.start_seen_at(half.begun + seconds(3600 - 20)), first)
      << "the same half a minute ahead as an hour ahead";
  EXPECT_EQ(half.start_seen_at(half.begun + seconds(3600 + 20)), first + seconds(30))
      << "the first is overdue: the second ends before it";
  Waits whole(4);
  EXPECT_EQ(whole.start_seen_at(whole.begun), first + seconds(30));
  EXPECT_EQ(whole.start_seen_at(whole.begun + seconds(3600 + 20)),
            whole.begun + seconds(3600 + 20 + 60))
      << "it needs what is overdue, too";
}

TEST(Reservation, WhoeverComesAheadOfItDoesNotWaitForIt) {
  World world;
  world.sync(world.hello("n1", 2));
  JobSpec runs = simple_job(1);
  runs.time_limit = kHour;
  const JobId busy = world.submit(runs);
  const JobId large = world.submit(simple_job(2));
  const JobId small = world.submit(simple_job(1));
  EXPECT_EQ(world.of(small), JobState::kQueued);
  JobSpec urgent = runs;
  urgent.priority = 3;
  const JobId ahead = world.submit(urgent);
  EXPECT_EQ(world.of(ahead), JobState::kStarting);
  world.end("n1", first_try(ahead), 0);
  EXPECT_EQ(world.of(small), JobState::kQueued) << "nodes are kept again";
  world.end("n1", first_try(busy), 0);
  EXPECT_EQ(world.of(large), JobState::kStarting);
}

TEST(Reservation, WithoutTimeLimitsNodesAreKeptAfterAWhile) {
  World world;
  world.sync(world.hello("n1", 4));
  const JobId busy = world.submit(simple_job(2));
  const JobId large = world.submit(simple_job(4));
  const JobId passes = world.submit(simple_job(1));
  EXPECT_EQ(world.of(passes), JobState::kStarting);
  world.now = world.now + world.state.policy.reserve_blindly_after;
  world.put(Tick{});
  const JobId waits = world.submit(simple_job(1));
  EXPECT_EQ(world.of(waits), JobState::kQueued);
  world.end("n1", first_try(busy), 0);
  EXPECT_EQ(world.of(waits), JobState::kQueued);
  world.end("n1", first_try(passes), 0);
  EXPECT_EQ(world.of(large), JobState::kStarting);
}

TEST(Limits, OfUsersAndPoolsHoldAndAreExplained) {
  World world;
  world.state.policy.user_limits.running = 2;
  world.state.policy.user_limits.waiting = 2;
  world.state.policy.limits_of_pool["fast"].running = 1;
  NodeHello hello = world.hello("n1", 16);
  hello.pools = {"fast"};
  world.sync(hello);
  const JobId first = world.submit(simple_job());
  world.submit(simple_job());
  const JobId third = world.submit(simple_job());
  EXPECT_EQ(world.reason(third), "limit of user ada: 2 tasks run, as many as are allowed at once");
  EXPECT_TRUE(foresee(world.state, world.state.jobs.at(third), world.now).limited);
  JobSpec other = simple_job();
  other.user = "bob";
  other.pool = "fast";
  EXPECT_EQ(world.of(world.submit(other)), JobState::kStarting);
  const JobId pooled = world.submit(other);
  EXPECT_EQ(world.reason(pooled),
            "limit of pool 'fast': 1 tasks run, as many as are allowed at once");
  world.submit(simple_job());
  const auto refused = world.put(Submit{"more", simple_job(), {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  world.end("n1", first_try(first), 0);
  EXPECT_EQ(world.of(third), JobState::kStarting);
}

TEST(Limits, ADevContainerIsNoTask) {
  World world;
  world.state.policy.user_limits.running = 1;
  NodeHello storage = world.hello("storage", 4);
  storage.dev_containers = true;
  world.sync(storage);
  world.sync(world.hello("n1", 4));
  JobSpec shell = simple_job();
  shell.dev_container = shell.root.live = true;
  ASSERT_EQ(world.of(world.submit(shell)), JobState::kStarting);
  EXPECT_EQ(world.of(world.submit(simple_job())), JobState::kStarting);
  EXPECT_EQ(world.of(world.submit(simple_job())), JobState::kQueued);
}

TEST(Fit, SmallJobsFillUpWhatIsBegunAndWarmNodesAreTaken) {
  World world;
  for (const char* name : {"n1", "n2", "n3"}) world.sync(world.hello(name, 4));
  const auto node_of = [&](JobId id) { return find_task(world.state, {id})->ranks[0].node; };
  const JobId first = world.submit(simple_job(1));
  EXPECT_EQ(node_of(world.submit(simple_job(1))), node_of(first));
  JobSpec other = simple_job(3);
  other.root.volume = "elsewhere";
  const JobId large = world.submit(other);
  EXPECT_NE(node_of(large), node_of(first));
  // Its volume ran there: that counts for more than the fuller node.
  other.per_node.cpu_milli = 1000;
  EXPECT_EQ(node_of(world.submit(other)), node_of(large));
}

TEST(Fit, GpusThatAreJoinedCloselyGoTogether) {
  std::vector<Gpu> gpus;
  for (uint32_t i = 0; i < 8; ++i) {
    gpus.push_back({i, "H100", "H100", 0});
    gpus.back().link = 1 + i / 4;
  }
  GpuMask free;
  for (size_t i = 0; i < 8; ++i) free.set(i, i != 5);             // groups of 4 and 3
  EXPECT_EQ(choose_gpus(gpus, free, 2).to_ulong(), 0b01010000u);  // the smaller group
  EXPECT_EQ(choose_gpus(gpus, free, 4).to_ulong(), 0b00001111u);
  EXPECT_EQ(choose_gpus(gpus, free, 5).to_ulong(), 0b00011111u);
  for (Gpu& gpu : gpus) gpu.link = 0;
  EXPECT_EQ(choose_gpus(gpus, free, 3).to_ulong(), 0b00000111u);
}

TEST(Nodes, ADrainedOneGetsNothingNewAndSaysWhy) {
  World world;
  world.sync(world.hello("n1", 4));
  const JobId runs = world.submit(simple_job());
  ASSERT_TRUE(world.put(Drain{"n1", true, "new disk", "root"}));
  const JobId waits = world.submit(simple_job());
  EXPECT_EQ(world.of(runs), JobState::kStarting);
  EXPECT_EQ(world.reason(waits), "no node takes jobs; n1 is drained: new disk");
  EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
  ASSERT_TRUE(world.put(Drain{"n1", false, {}, "root"}));
  EXPECT_EQ(world.of(waits), JobState::kStarting);
  EXPECT_FALSE(world.put(Drain{"n9", true, "x", "root"}));
}

TEST(Nodes, OneOnWhichNothingStartsIsSetAsideForAWhile) {
  World world;
  world.sync(world.hello("n1", 4));
  const auto fail = [&](JobId id) {
    world.report("n1", world.at(first_try(id), Phase::kEnded,
                                Ending{EndCause::kNotStarted, 125, "no overlay", ""}));
  };
  for (int i = 0; i < 3; ++i) fail(world.submit(simple_job()));
  const JobId waits = world.submit(simple_job());
  EXPECT_EQ(world.of(waits), JobState::kQueued);
  EXPECT_NE(world.reason(waits).find("set aside for 10m00s: 3 jobs in a row"), std::string::npos)
      << world.reason(waits);
  world.now = world.now + world.state.policy.aside_for;
  world.put(Tick{});
  EXPECT_EQ(world.of(waits), JobState::kStarting);
  world.end("n1", first_try(waits), 0);
  EXPECT_EQ(world.state.schedule.failed_starts("n1"), nullptr);
}

TEST(Nodes, WhatACallerAskedForInVainSaysNothingOfTheNode) {
  World world;
  world.sync(world.hello("n1", 4));
  for (int i = 0; i < 5; ++i) {
    Ending ending{EndCause::kNotStarted, 125, "no folder /typo", "", Fault::kCaller};
    world.report("n1", world.at(first_try(world.submit(simple_job())), Phase::kEnded, ending));
  }
  EXPECT_EQ(world.state.schedule.failed_starts("n1"), nullptr);
  EXPECT_EQ(world.of(world.submit(simple_job())), JobState::kStarting);
}

TEST(After, AnyEndAFailureAndWhatCanNeverHold) {
  World world;
  world.sync(world.hello("n1", 8));
  const JobId first = world.submit(simple_job());
  JobSpec spec = simple_job();
  spec.after = {first};
  const JobId any = world.submit(spec);
  spec.after.clear();
  spec.after_fail = {first};
  const JobId on_failure = world.submit(spec);
  spec.after_fail = {on_failure};
  const JobId never = world.submit(spec);
  EXPECT_EQ(world.reason(any), "job 1 has to end first");
  EXPECT_EQ(world.reason(on_failure), "job 1 has to fail first");
  world.end("n1", first_try(first), 3);
  EXPECT_EQ(world.of(any), JobState::kStarting);
  EXPECT_EQ(world.of(on_failure), JobState::kStarting);
  world.end("n1", first_try(on_failure), 0);
  EXPECT_EQ(world.of(never), JobState::kCancelled);
  EXPECT_EQ(world.ending(never).reason, "job 3, which it waited for, ended SUCCEEDED");
  EXPECT_FALSE(world.put(Submit{"late", spec, {}}));
}

TEST(After, AChainMayBeAsLongAsTheQueue) {
  constexpr JobId kLong = 20'000;
  State state;  // not World, which looks at everything after each input
  for (JobId n = 1; n <= kLong; ++n) {
    JobSpec spec = simple_job();
    if (n > 1) spec.after_ok = {n - 1};
    ASSERT_TRUE(step(state, Submit{std::to_string(n), spec, {}}, Time{1}).reply);
  }
  ASSERT_TRUE(step(state, Cancel{{1, kNoTask}, 0}, Time{2}).reply);
  EXPECT_EQ(state.jobs.at(kLong).outcome->state, JobState::kCancelled);
}

TEST(Extras, AndLabelsAndTheMemoryOfGpus) {
  World world;
  NodeHello hello = world.hello("n1", 8);
  hello.total.extras["licence"] = 2;
  hello.labels["zone"] = "b";
  hello.gpus = {{0, "A100", "A100", 40LL << 30}, {1, "A100", "A100", 80LL << 30}};
  hello.total.gpus = 2;
  world.sync(hello);
  JobSpec spec = simple_job();
  spec.per_node.extras["licence"] = 2;
  EXPECT_EQ(world.of(world.submit(spec)), JobState::kStarting);
  const JobId waits = world.submit(spec);
  EXPECT_EQ(world.reason(waits),
            "needs 2 licence on one node; the largest free is 0 licence on n1");
  spec = simple_job();
  spec.node_labels["zone"] = "c";
  EXPECT_EQ(world.reason(world.submit(spec)), "there is no node of label zone=c");
  spec.node_labels["zone"] = "b";
  spec.per_node.gpus = 1;
  spec.per_node.gpu_memory_bytes = 60LL << 30;
  const JobId large = world.submit(spec);
  EXPECT_EQ(find_task(world.state, {large})->ranks[0].gpus, std::vector<uint32_t>{1});
}

// Users, nodes and time do what they like; World compares the schedule with one made anew after each input.
TEST(Schedule, KeepsStepUnderRandomInputs) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto pick = [&](uint64_t n) { return random() % n; };
    World world;
    world.state.policy.user_limits.running = static_cast<uint32_t>(pick(3) == 0 ? 3 + pick(4) : 0);
    world.state.policy.limits_of_pool["p1"].gpus = static_cast<uint32_t>(2 * pick(3));
    world.state.policy.reservations_max = static_cast<uint32_t>(pick(4));
    const auto hello = [&](uint64_t n) {
      NodeHello out = world.hello("n" + std::to_string(n), 4 + static_cast<int64_t>(n % 3) * 2);
      if (n % 2 == 0) out.pools = {"p1"};
      for (uint32_t i = 0; i < (n % 3) * 2; ++i) {
        out.gpus.push_back({i, n % 2 == 0 ? "A" : "B", "gpu", 0, {}, 1 + i / 2});
      }
      out.total.gpus = static_cast<int32_t>(out.gpus.size());
      return out;
    };
    for (uint64_t n = 0; n < 5; ++n) world.sync(hello(n));
    for (int i = 0; i < 250 && !::testing::Test::HasFailure(); ++i) {
      world.now = world.now + seconds(static_cast<int64_t>(pick(120)));
      std::vector<AttemptKey> live;
      for (const auto& [name, node] : world.state.nodes)
        live.insert(live.end(), node.live.begin(), node.live.end());
      switch (pick(9)) {
        case 0:
        case 1:
        case 2:
        case 3: {
          JobSpec spec = simple_job(1 + static_cast<int64_t>(pick(4)));
          spec.user = "u" + std::to_string(pick(3));
          spec.root.volume = "v" + std::to_string(pick(2));
          spec.root.tree.bytes[0] = 1;
          spec.per_node.gpus = static_cast<int32_t>(pick(3) == 0 ? 1 + pick(3) : 0);
          if (spec.per_node.gpus > 0 && pick(2) == 0) spec.per_node.gpu_type = "A";
          if (pick(3) == 0) spec.pool = "p1";
          if (pick(4) == 0) spec.nodes = static_cast<uint32_t>(2 + pick(2));
          if (pick(2) == 0) spec.time_limit = seconds(static_cast<int64_t>(60 + pick(3600)));
          spec.priority = static_cast<int32_t>(pick(3));
          if (pick(5) == 0) {
            spec.array = {{0, static_cast<int32_t>(pick(6)), 1}};
            spec.array_running_max = static_cast<uint32_t>(pick(3));
          }
          if (pick(6) == 0) spec.retries = 1;
          if (world.state.next_job > 2 && pick(5) == 0)
            spec.after = {1 + pick(world.state.next_job - 1)};
          world.put(Submit{"r" + std::to_string(++world.requests), spec, {}});
          break;
        }
        case 4:
        case 5:
          if (!live.empty()) {
            const AttemptKey key = live[pick(live.size())];
            const Rank& rank = *find_rank(world.state, key);
            const Phase phase = pick(3) == 0 ? Phase::kCompleting : Phase::kEnded;
            Ending ending{pick(6) == 0 ? EndCause::kNotStarted : EndCause::kExited,
                          static_cast<int32_t>(pick(2)), "", ""};
            world.report(rank.node, world.at(key, phase,
                                             phase == Phase::kEnded ? std::optional<Ending>(ending)
                                                                    : std::nullopt));
          }
          break;
        case 6:
          world.put(Cancel{{1 + pick(world.state.next_job), kNoTask}, 0});
          break;
        case 7: {
          const uint64_t n = pick(6);
          const std::string name = "n" + std::to_string(n);
          if (pick(3) == 0)
            world.put(NodeGone{name, world.state.presence.nodes[name].session});
          else if (pick(3) == 0)
            world.put(Drain{name, pick(2) == 0, "why", "root"});
          else
            world.sync(hello(n), {});
          break;
        }
        default:
          world.put(Tick{});
      }
    }
    EXPECT_EQ(world.replayed(), static_cast<const Ledger&>(world.state));
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace devrun::controller::testing
