// Who runs where and when, and why the others wait.
#include "common/model/labels.h"
#include "tests/unit/controller/core/world.h"

namespace devrun::controller::testing {
namespace {

TEST(Place, ByPriorityThenByNumberAndSmallerOnesPass) {
  World world;
  JobSpec low = simple_job(2);
  const JobId first = world.submit(low);
  const JobId big = world.submit(simple_job(4));
  const JobId small = world.submit(simple_job(1));
  JobSpec urgent = simple_job(2);
  urgent.priority = 5;
  const JobId high = world.submit(urgent);
  EXPECT_EQ(world.reason(first), "no node is connected");
  world.sync(world.hello("node1", 3));
  EXPECT_EQ(world.of(high), JobState::kStarting);
  EXPECT_EQ(world.of(first), JobState::kQueued);
  EXPECT_EQ(world.of(small), JobState::kStarting);
  EXPECT_EQ(world.reason(first), "needs 2 cores on one node; the largest free is 0 cores on node1");
  EXPECT_EQ(world.reason(big), "needs 4 cores on one node; the largest has 3 cores (node1)");
  EXPECT_EQ(world.reason(small), "");
}

TEST(Place, AGangIsPlacedWholeOrNotAtAll) {
  World world;
  JobSpec gang = simple_job(2);
  gang.nodes = 2;
  const JobId id = world.submit(gang);
  world.sync(world.hello("node1", 8));
  EXPECT_EQ(world.of(id), JobState::kQueued);
  EXPECT_EQ(
      world.reason(id),
      "needs 2 nodes; the cluster has only 1: it will not start until one is added (devrun up "
      "--nodes 2)");
  world.sync(world.hello("node2", 2));
  EXPECT_EQ(world.of(id), JobState::kStarting);
  EXPECT_EQ(find_task(world.state, {id})->ranks[1].node, "node2");
  EXPECT_EQ(attempt_spec(world.state, first_try(id, kNoTask, 1)).rank_addresses,
            (std::vector<std::string>{"node1.local", "node2.local"}));
}

TEST(Place, AGangSaysWhetherWaitingHelps) {
  World world;
  world.sync(world.hello("node1", 4));
  world.sync(world.hello("node2", 2));
  JobSpec gang = simple_job(2);
  gang.nodes = 2;
  const JobId first = world.submit(gang);
  EXPECT_EQ(world.of(first), JobState::kStarting);
  const JobId second = world.submit(gang);
  EXPECT_EQ(world.reason(second), "needs 2 nodes with 2 cores free on each; 1 of 2 has that");
  gang.per_node.cpu_milli = 3000;
  const JobId large = world.submit(gang);
  EXPECT_EQ(world.reason(large),
            "needs 2 nodes with 3 cores each; the cluster has only 1 as large as that: it will not "
            "start until one is added");
}

TEST(Place, AFolderOfTheSiteIsOnTheNodesThatHaveIt) {
  World world;
  world.sync(world.hello("node1", 8));
  JobSpec spec = simple_job(2);
  spec.paths = {{"/lustre", {}, PathKind::kSite}, {"/lustre/b", {}, PathKind::kLive}};
  spec.program.cwd = "/lustre/ada";
  const JobId job = world.submit(spec);
  EXPECT_EQ(world.of(job), JobState::kQueued);
  EXPECT_EQ(
      world.reason(job),
      "there is no node of site mount /lustre; its folder is on the site mount /lustre, which "
      "1 other node has not");
  spec.program.cwd = "/lustre/b/c";
  EXPECT_EQ(world.of(world.submit(spec)), JobState::kStarting) << "that is the live folder's";
  NodeHello with = world.hello("node2", 1);
  with.site_paths = {"/data", "/lustre"};
  world.sync(with);
  EXPECT_EQ(world.reason(job),
            "needs 2 cores on one node; the largest has 1 core (node2); its folder is on the site "
            "mount /lustre, which 1 other node has not");
  // Its agent is told of the mount, and says so in its next hello.
  NodeHello mounted = world.hello("node1", 8);
  mounted.site_paths = {"/lustre"};
  world.sync(mounted, {World::at(first_try(job + 1), Phase::kRunning)});
  EXPECT_EQ(world.of(job), JobState::kStarting);
  EXPECT_EQ(find_task(world.state, {job})->ranks[0].node, "node1");
}

TEST(Place, NothingGoesWhereItsTimeLimitWouldBeCutShort) {
  World world;
  NodeHello pilot = world.hello("slurm-1", 8);
  pilot.leaves = world.now + seconds(3600);
  world.sync(pilot);
  JobSpec spec = simple_job(2);
  spec.time_limit = seconds(3600);
  const JobId larger = world.submit(spec);
  EXPECT_EQ(world.reason(larger),
            "slurm-1 leaves in 1h00m, before a time limit of 1h00m would be over");
  spec.time_limit = seconds(3500);
  EXPECT_EQ(world.of(world.submit(spec)), JobState::kStarting);
  spec.time_limit = {};
  EXPECT_EQ(world.of(world.submit(spec)), JobState::kStarting) << "nobody says how long it takes";
  // What could have begun there once cannot any more.
  world.now = world.now + seconds(200);
  spec.time_limit = seconds(3500);
  const JobId late = world.submit(spec);
  EXPECT_EQ(world.of(late), JobState::kQueued);
  EXPECT_EQ(world.reason(late),
            "slurm-1 leaves in 56m40s, before a time limit of 58m20s would be over");
  pilot.leaves = {};
  world.sync(pilot, {World::at(first_try(larger + 1), Phase::kRunning),
                     World::at(first_try(larger + 2), Phase::kRunning)});
  EXPECT_EQ(world.of(late), JobState::kStarting);
}

TEST(Place, NothingIsKeptOnANodeThatLeavesBeforeTheJobWouldBeOver) {
  World world;
  NodeHello pilot = world.hello("slurm-1", 4);
  pilot.leaves = world.now + seconds(3600);
  world.sync(pilot);
  world.sync(world.hello("node1", 4));
  JobSpec spec = simple_job(4);
  spec.time_limit = seconds(1800);
  world.submit(spec);
  world.submit(spec);
  // It would begin on either in half an hour, and last for longer than slurm-1.
  const JobId waits = world.submit(spec);
  world.now = world.now + seconds(1);
  world.put(Tick{});
  const Reservation* kept = world.state.schedule.reservation_for(waits);
  ASSERT_NE(kept, nullptr);
  ASSERT_EQ(kept->nodes.size(), 1u);
  EXPECT_EQ(world.state.schedule.rooms().at(kept->nodes[0]).name, "node1");
}

TEST(Place, TheFirstRankToFailStopsTheOthersAndGivesTheStatus) {
  World world;
  world.sync(world.hello("node1", 2));
  world.sync(world.hello("node2", 2));
  JobSpec gang = simple_job(1);
  gang.nodes = 2;
  const JobId id = world.submit(gang);
  world.end("node2", first_try(id, kNoTask, 1), 7);
  EXPECT_TRUE(world.did(SendDesired{"node1", first_try(id)}));
  EXPECT_EQ(desired(world.state, "node1", first_try(id))->attempt.goal, Goal::kStop);
  EXPECT_FALSE(is_final(world.of(id)));
  world.report("node1",
               World::at(first_try(id), Phase::kEnded, Ending{EndCause::kCancelled, 143, "", ""}));
  EXPECT_EQ(world.of(id), JobState::kFailed);
  EXPECT_EQ(world.ending(id).status, 7);
  EXPECT_EQ(world.ending(id).reason, "rank 1 on node2 exited with 7, which ended the job");
}

TEST(Place, RanksWaitForEachOthersSetup) {
  World world;
  world.sync(world.hello("node1", 2));
  world.sync(world.hello("node2", 2));
  JobSpec gang = simple_job(1);
  gang.nodes = 2;
  gang.program.setup = {"pip", "install"};
  const JobId id = world.submit(gang);
  ObservedAttempt done = World::at(first_try(id), Phase::kSettingUp);
  done.setup_done = true;
  world.report("node1", done);
  EXPECT_FALSE(desired(world.state, "node1", first_try(id))->attempt.go);
  done.key.rank = 1;
  world.report("node2", done);
  EXPECT_TRUE(world.did(SendDesired{"node1", first_try(id)}));
  EXPECT_TRUE(desired(world.state, "node1", first_try(id))->attempt.go);
}

TEST(Place, ArraysExpandLazilyUpToTheirLimit) {
  World world;
  world.sync(world.hello("node1", 64));
  JobSpec array = simple_job(1);
  array.array = {{0, 9, 1}, {20, 28, 4}};
  array.array_running_max = 4;
  const JobId id = world.submit(array);
  EXPECT_EQ(world.state.jobs.at(id).tasks.size(), 4u);
  EXPECT_EQ(world.reason(id), "4 of its tasks run, as many as it allows at once");
  EXPECT_EQ(task_counts(world.state.jobs.at(id)), (TaskCounts{13, 4, 0, 0, {}}));
  std::vector<int32_t> order;
  while (!world.state.jobs.at(id).outcome) {
    const AttemptKey key = *world.state.nodes.at("node1").live.begin();
    order.push_back(key.task);
    world.end("node1", key, key.task == 5 ? 9 : 0);
  }
  EXPECT_EQ(order, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 24, 28}));
  EXPECT_EQ(world.of(id), JobState::kFailed);
  EXPECT_EQ(world.ending(id).status, 9);
  EXPECT_EQ(view_task(world.state, {id, 4}, world.now)->state, JobState::kSucceeded);
  EXPECT_FALSE(view_task(world.state, {id, 21}, world.now));
  EXPECT_EQ(task_counts(world.state.jobs.at(id)), (TaskCounts{13, 0, 12, 1, {5}}));
}

TEST(Place, AHugeArrayCostsNothingUntilItRuns) {
  World world;
  JobSpec array = simple_job(1);
  array.array = {{0, 99'999, 1}};
  const JobId id = world.submit(array);
  EXPECT_TRUE(world.state.jobs.at(id).tasks.empty());
  world.put(Cancel{{id, 50'000}, 0});
  EXPECT_EQ(world.state.jobs.at(id).tasks.size(), 1u);
  world.put(Cancel{{id, kNoTask}, 0});
  EXPECT_EQ(world.of(id), JobState::kCancelled);
  EXPECT_EQ(view_task(world.state, {id, 7}, world.now)->ending->status, 130);
}

TEST(Place, AfterOkWaitsForSuccessAndEndsWithFailure) {
  World world;
  world.sync(world.hello("node1", 8));
  const JobId first = world.submit(simple_job());
  JobSpec second = simple_job();
  second.after_ok = {first};
  const JobId good = world.submit(second);
  EXPECT_EQ(world.reason(good), "job 1 has to succeed first");
  world.end("node1", first_try(first), 0);
  EXPECT_EQ(world.of(good), JobState::kStarting);

  JobSpec third = simple_job();
  third.after_ok = {good};
  third.array = {{0, 5, 1}};
  const JobId bad = world.submit(third);
  JobSpec fourth = simple_job();
  fourth.after_ok = {bad};
  const JobId worse = world.submit(fourth);
  world.end("node1", first_try(good), 1);
  EXPECT_EQ(world.of(bad), JobState::kCancelled);
  EXPECT_EQ(world.ending(bad).reason, "job 2, which it waited for, ended FAILED");
  EXPECT_EQ(world.ending(bad).status, 125);
  EXPECT_EQ(world.of(worse), JobState::kCancelled);
  const auto late = world.put(Submit{"late", third, {}});
  EXPECT_EQ(late.error().code, Code::kConflict);
}

TEST(Place, DevContainersRunOnTheStorageHostAlone) {
  World world;
  NodeHello storage = world.hello("storage", 8);
  storage.dev_containers = true;
  world.sync(storage);
  const JobId job = world.submit(simple_job());
  EXPECT_EQ(world.of(job), JobState::kQueued);
  EXPECT_EQ(world.reason(job), "no node is connected");
  JobSpec dev = simple_job(0);
  dev.dev_container = dev.root.live = true;
  const JobId shell = world.submit(dev);
  EXPECT_EQ(world.of(shell), JobState::kStarting);
  EXPECT_EQ(world.submit(dev), shell) << "one per volume: the second joins";
  ASSERT_TRUE(world.put(Cancel{{shell, kNoTask}, 0}));
  const auto third = world.put(Submit{"while it ends", dev, {}});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().message, "the dev container of volume 'work', job 2, is being ended");
  world.end("storage", first_try(shell), 0);
  EXPECT_TRUE(world.put(Submit{"third", dev, {}}));
}

TEST(Place, DevContainersTakeNothingOfTheStorageHost) {
  World world;
  NodeHello storage = world.hello("storage", 2);
  storage.dev_containers = true;
  world.sync(storage);
  for (const char* volume : {"a", "b", "c"}) {
    JobSpec dev = simple_job(2);
    dev.root.volume = volume;
    dev.dev_container = dev.root.live = true;
    EXPECT_EQ(world.of(world.submit(dev)), JobState::kStarting) << volume;
  }
  EXPECT_EQ(world.state.nodes.at("storage").used, Resources{});
}

TEST(Place, DevContainersThatAskForANodeAreReservedThere) {
  World world;
  NodeHello storage = world.hello("storage", 8);
  storage.dev_containers = true;
  world.sync(storage);
  world.sync(world.hello("plain", 8));
  JobSpec dev = simple_job(2);
  dev.dev_container = dev.root.live = true;
  dev.node_labels[kLiveLabel] = kLiveValue;
  const JobId shell = world.submit(dev);
  EXPECT_EQ(world.of(shell), JobState::kQueued);
  EXPECT_EQ(world.reason(shell),
            "no node shows live volumes, as those do whose agents have --live: it can run on the "
            "storage host alone");
  NodeHello node = world.hello("node1", 2);
  node.labels[kLiveLabel] = kLiveValue;
  world.sync(node);
  EXPECT_EQ(world.of(shell), JobState::kStarting);
  EXPECT_EQ(world.state.nodes.at("node1").used.cpu_milli, 2000);
  EXPECT_EQ(world.submit(dev), shell);
  JobSpec plain = simple_job(2);
  plain.dev_container = plain.root.live = true;
  EXPECT_EQ(world.submit(plain), shell) << "one per volume, wherever it is";
  dev.root.volume = "other";
  dev.pool = "a100";
  EXPECT_EQ(
      world.reason(world.submit(dev)),
      "no node of pool 'a100' shows live volumes, as those do whose agents have --live: it can "
      "run on the storage host alone");
  world.end("node1", first_try(shell), 0);
  EXPECT_EQ(world.state.nodes.at("node1").used, Resources{});
}

TEST(Place, PoolsAndGpusAreExplained) {
  World world;
  NodeHello node = world.hello("node1", 8);
  node.pools = {"a100", "train"};
  node.total.gpus = 2;
  node.total.gpu_type = "A100";
  world.sync(node);
  JobSpec spec = simple_job();
  spec.pool = "h100";
  EXPECT_EQ(world.reason(world.submit(spec)), "no node is in pool 'h100'; there is a100, train");
  spec.pool = "train";
  spec.per_node.gpus = 4;
  EXPECT_EQ(world.reason(world.submit(spec)),
            "needs 4 GPUs on one node; the largest has 2 GPUs (node1)");
  spec.per_node.gpus = 1;
  spec.per_node.gpu_type = "H100";
  EXPECT_EQ(world.reason(world.submit(spec)),
            "needs 1 H100 GPU on one node; the largest has 0 H100 GPUs (node1)");
  spec.per_node.gpu_type = "A100";
  EXPECT_EQ(world.of(world.submit(spec)), JobState::kStarting);
}

}  // namespace
}  // namespace devrun::controller::testing
