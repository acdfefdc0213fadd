// What is decided about pilots: each test is a story of rounds, told in the words of the actions.
#include "cli/pilots/decide.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace devrun::pilots {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

Policy policy() {
  Policy out;
  out.idle_for = seconds(100);
  out.lead = seconds(50);
  Kind cpu;
  cpu.name = "cpu";
  cpu.has.cpu_milli = 4000;
  cpu.has.memory_bytes = 8 * kGiB;
  cpu.time = seconds(3600);
  cpu.pools = {"batch"};
  Kind gpu = cpu;
  gpu.name = "gpu";
  gpu.has.gpus = 2;
  gpu.has.gpu_type = "H100";
  gpu.has.gpu_memory_bytes = 80 * kGiB;
  out.kinds = {cpu, gpu};
  return out;
}

WaitingJob waits(JobId job, int64_t cpus, int32_t gpus = 0) {
  WaitingJob out;
  out.job = job;
  out.spec.per_node.cpu_milli = cpus * 1000;
  out.spec.per_node.memory_bytes = kGiB;
  out.spec.per_node.gpus = gpus;
  return out;
}

struct Story {
  Policy rules = policy();
  Seen seen{Time{1'000'000'000}, {}, {}, {}};
  Memory memory;
  std::string voided;  // in all rounds
  bool voids = true;   // with success

  std::string round(Duration after = seconds(5)) {
    seen.now = seen.now + after;
    for (SeenNode& node : seen.nodes) {
      if (node.connected) node.last_heard = seen.now;
    }
    std::string out;
    for (const Action& action : decide(rules, seen, memory)) {
      if (const Void* one = std::get_if<Void>(&action)) {
        voided += one->name + "\n";
        if (voids) memory.voided.insert(one->name);
        continue;
      }
      out += to_string(action) + "\n";
    }
    return out;
  }
  Pilot& pilot(uint64_t job, const std::string& name, PilotState state) {
    seen.pilots.push_back({job, name, "cpu", state, seconds(3000)});
    return seen.pilots.back();
  }
  SeenNode& node(const std::string& name, uint32_t attempts) {
    SeenNode out;
    out.hello = rules.kinds.front().hello();
    out.hello.name = name;
    out.hello.leaves = seen.now + seconds(3600);
    out.connected = true;
    out.attempts = attempts;
    if (attempts > 0) out.used = out.hello.total;
    seen.nodes.push_back(out);
    return seen.nodes.back();
  }
};

TEST(Pilots, NothingIsAskedForWhereNothingWaits) {
  Story story;
  EXPECT_EQ(story.round(), "");
}

TEST(Pilots, OneIsAskedForAndNotTwice) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
  story.pilot(70, "slurm-1", PilotState::kPending);
  EXPECT_EQ(story.round(), "") << "it is coming";
  story.memory = {};
  EXPECT_EQ(story.round(), "") << "nor by a daemon that knows nothing of before";
  story.seen.pilots[0].state = PilotState::kRunning;
  EXPECT_EQ(story.round(), "lets slurm-1 in, which runs as Slurm's job 70\n");
  EXPECT_EQ(story.round(), "") << "it has its token";
  EXPECT_EQ(story.round(seconds(40)), "lets slurm-1 in, which runs as Slurm's job 70\n")
      << "the token has not come through";
  EXPECT_EQ(story.round(seconds(560)), "ends slurm-1, Slurm's job 70: its node has not come up\n");
}

TEST(Pilots, OnesThatDoNotComeUpAreAskedForMoreAndMoreRarely) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.round();
  story.seen.pilots[0].state = PilotState::kOver;
  EXPECT_EQ(story.round(),
            "slurm-1, Slurm's job 70, has ended before its node came up: its log on Slurm's node "
            "says why\n");
  EXPECT_EQ(story.round(), "") << "told once, and nothing asked for meanwhile";
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
  EXPECT_EQ(story.memory.failed.at("cpu").length, seconds(10));
}

TEST(Pilots, AsManyAsTheJobsFill) {
  Story story;
  story.seen.waiting = {waits(1, 3), waits(2, 3), waits(3, 1), waits(4, 1)};
  EXPECT_EQ(story.round(),
            "asks Slurm for slurm-1, of kind cpu\nasks Slurm for slurm-2, of kind cpu\n");
  story.rules.pending_max = 1;
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
  story.rules.max = 1;
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.node("slurm-1", 1);
  EXPECT_EQ(story.round(), "") << "there are as many as there may be";
}

TEST(Pilots, OfTheFirstKindThatFits) {
  Story story;
  story.seen.waiting = {waits(1, 1, 2)};
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind gpu\n");
  story.seen.waiting[0].spec.per_node.gpu_type = "A100";
  EXPECT_EQ(story.round(), "") << "no kind has such GPUs";
  story.seen.waiting = {waits(1, 1)};
  story.seen.waiting[0].spec.pool = "other";
  EXPECT_EQ(story.round(), "");
  story.seen.waiting[0].spec.pool = "batch";
  story.seen.waiting[0].spec.time_limit = seconds(3600);
  EXPECT_EQ(story.round(), "") << "it would not be over before the allocation nearly is";
  story.seen.waiting[0].spec.time_limit = seconds(3500);
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
}

TEST(Pilots, WhatALimitHoldsUpIsNoReason) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  story.seen.waiting[0].limited = true;
  EXPECT_EQ(story.round(), "");
}

TEST(Pilots, AGangNeedsAllOfItsNodesOrNone) {
  Story story;
  story.seen.waiting = {waits(1, 4)};
  story.seen.waiting[0].spec.nodes = 3;
  EXPECT_EQ(story.round(),
            "asks Slurm for slurm-1, of kind cpu\nasks Slurm for slurm-2, of kind cpu\n"
            "asks Slurm for slurm-3, of kind cpu\n");
  story.seen.waiting[0].spec.nodes = 9;
  EXPECT_EQ(story.round(), "") << "more than there may ever be";
}

// Some of them would idle beside a gang that still waits.
TEST(Pilots, AGangThatDoesNotFitBesideThoseThatAreThereAsksForNone) {
  Story story;
  for (uint64_t i = 1; i <= 6; ++i) {
    story.pilot(70 + i, fmt::format("slurm-{}", i), PilotState::kRunning);
    story.node(fmt::format("slurm-{}", i), 1);
  }
  story.seen.waiting = {waits(1, 4), waits(2, 4)};
  story.seen.waiting[0].spec.nodes = 3;
  EXPECT_EQ(story.round(), "asks Slurm for slurm-7, of kind cpu\n") << "for the second job";
  story.seen.waiting.pop_back();
  story.seen.pilots.resize(5);
  story.seen.nodes.resize(5);
  EXPECT_EQ(story.round(),
            "asks Slurm for slurm-6, of kind cpu\nasks Slurm for slurm-7, of kind cpu\n"
            "asks Slurm for slurm-8, of kind cpu\n");
}

TEST(Pilots, CertificatesOfNamesThatAreNobodysAreVoid) {
  Story story;
  story.rules.max = 3;
  story.pilot(70, "slurm-1",
              PilotState::kRunning);  // it joins, and is over before its node is seen
  story.voids = false;
  EXPECT_EQ(story.round(), "lets slurm-1 in, which runs as Slurm's job 70\n");
  EXPECT_EQ(story.round(), "");
  EXPECT_EQ(story.voided, "slurm-2\nslurm-3\nslurm-2\nslurm-3\n") << "until it is done";
  story.voids = true;
  story.round();
  story.voided.clear();
  story.seen.pilots.clear();  // Slurm need not remember it
  story.round();
  story.round();
  EXPECT_EQ(story.voided, "slurm-1\n");
  story.node("slurm-1", 0);  // one that is listed is retired, with its certificate
  story.round();
  EXPECT_EQ(story.voided, "slurm-1\n");
  story.pilot(71, "slurm-2", PilotState::kVanished);  // it may be there yet
  story.memory = {};
  story.voided.clear();
  story.round();
  EXPECT_EQ(story.voided, "slurm-3\n");
}

TEST(Pilots, ArraysCountByTask) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  story.seen.waiting[0].tasks = 3;
  EXPECT_EQ(story.round(),
            "asks Slurm for slurm-1, of kind cpu\nasks Slurm for slurm-2, of kind cpu\n");
}

TEST(Pilots, SharesOfGpusAreAddedUp) {
  Story story;
  story.seen.waiting = {waits(1, 1, 1), waits(2, 1, 1), waits(3, 1, 1)};
  for (WaitingJob& job : story.seen.waiting) job.spec.per_node.gpu_milli = 600;
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind gpu\n");
}

TEST(Pilots, RoomThatIsThereIsEnough) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  story.node("own-node", 0);
  EXPECT_EQ(story.round(), "") << "the scheduler is about to place it";
  story.seen.nodes[0].drained = "new disk";
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
}

TEST(Pilots, OneThatIsIdleIsDrainedThenEndedThenRetired) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.node("slurm-1", 0);
  EXPECT_EQ(story.round(), "");
  EXPECT_EQ(story.round(seconds(100)), "drains slurm-1: idle for 1m40s\n");
  story.seen.nodes[0].drained = "devrun-slurm: idle for 1m40s";
  EXPECT_EQ(story.round(), "ends slurm-1, Slurm's job 70: idle for 1m40s\n");
  story.seen.pilots[0].state = PilotState::kEnding;
  EXPECT_EQ(story.round(), "") << "its processes may still be there";
  story.seen.pilots[0].state = PilotState::kOver;
  EXPECT_EQ(story.round(), "retires slurm-1: its allocation is over\n");
  story.seen.nodes.clear();
  EXPECT_EQ(story.round(), "");
}

TEST(Pilots, WhatBeganBeforeTheDrainKeepsIt) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.node("slurm-1", 0);
  story.round();
  story.round(seconds(100));
  story.seen.nodes[0].drained = "devrun-slurm: idle for 1m40s";
  story.seen.nodes[0].attempts = 1;
  EXPECT_EQ(story.round(), "undrains slurm-1\n");
}

TEST(Pilots, ANodeOfTheSitesOwnIsLeftAloneWhateverItsName) {
  Story story;
  story.node("slurm-1", 0).hello.leaves = {};
  EXPECT_EQ(story.round(), "");
  story.seen.nodes[0].connected = false;
  EXPECT_EQ(story.round(seconds(100'000)), "") << "silent for long";
  story.seen.waiting = {waits(1, 2)};
  EXPECT_EQ(story.round(), "asks Slurm for slurm-2, of kind cpu\n");
}

TEST(Pilots, ANewJobKeepsAnIdleOne) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.node("slurm-1", 0);
  story.round();
  story.seen.waiting = {waits(1, 2)};
  EXPECT_EQ(story.round(seconds(100)), "");
  EXPECT_EQ(story.round(seconds(100)), "drains slurm-1: what waits does not begin here\n")
      << "whatever holds it up, more nodes of that kind do not help";
  story.seen.nodes.clear();
  story.seen.pilots.clear();
  EXPECT_EQ(story.round(), "") << "not at once again";
  EXPECT_EQ(story.round(seconds(61)), "asks Slurm for slurm-1, of kind cpu\n");
}

TEST(Pilots, BeforeTheEndOfTheAllocationNothingNewBegins) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kRunning).left = seconds(50);
  story.node("slurm-1", 1);
  EXPECT_EQ(story.round(), "drains slurm-1: its allocation ends soon\n");
  story.seen.nodes[0].drained = "devrun-slurm: its allocation ends soon";
  story.seen.waiting = {waits(2, 1)};
  EXPECT_EQ(story.round(), "asks Slurm for slurm-2, of kind cpu\n")
      << "what runs goes on, no room is left there";
  story.seen.waiting.clear();
  story.seen.nodes[0].attempts = 0;
  EXPECT_EQ(story.round(), "ends slurm-1, Slurm's job 70: its allocation ends soon\n");
}

TEST(Pilots, AJobThatWouldLastLongerThanWhatIsThereBringsAnother) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.node("slurm-1", 0).hello.leaves = story.seen.now + seconds(1000);
  WaitingJob job = waits(1, 2);
  job.spec.time_limit = seconds(900);
  story.seen.waiting = {job};
  EXPECT_EQ(story.round(), "") << "it has its place";
  story.seen.waiting[0].spec.time_limit = seconds(1200);
  EXPECT_EQ(story.round(), "asks Slurm for slurm-2, of kind cpu\n");
  story.pilot(71, "slurm-2", PilotState::kPending);
  EXPECT_EQ(story.round(), "") << "which will last";
  story.seen.pilots[1].state = PilotState::kRunning;
  story.seen.pilots[1].left = seconds(1100);
  EXPECT_EQ(story.round(),
            "lets slurm-2 in, which runs as Slurm's job 71\n"
            "asks Slurm for slurm-3, of kind cpu\n")
      << "it has less than was asked for";
  story.seen.waiting[0].spec.time_limit = seconds(3590);
  story.seen.pilots.pop_back();
  EXPECT_EQ(story.round(), "") << "no kind lasts for so long";
}

TEST(Pilots, TheFirstPilotTellsWhatTheOthersHaveMounted) {
  Story story;
  WaitingJob job = waits(1, 2);
  job.spec.paths = {{"/lustre", {}, PathKind::kSite}};
  job.spec.program.cwd = "/lustre/ada";
  story.seen.waiting = {job};
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n") << "who knows";
  story.pilot(70, "slurm-1", PilotState::kPending);
  EXPECT_EQ(story.round(), "");
  story.seen.pilots[0].state = PilotState::kRunning;
  story.node("slurm-1", 0);
  EXPECT_EQ(story.round(), "") << "it has not, and no other would have";
  story.seen.nodes[0].hello.site_paths = {"/lustre"};
  story.seen.nodes[0].attempts = 1;
  story.seen.nodes[0].used = story.seen.nodes[0].hello.total;
  EXPECT_EQ(story.round(), "asks Slurm for slurm-2, of kind cpu\n");
}

TEST(Pilots, OneThatNobodyWaitsForAnyMoreIsCalledBack) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kPending);
  EXPECT_EQ(story.round(), "");
  story.seen.waiting = {waits(1, 2)};
  EXPECT_EQ(story.round(seconds(100)), "") << "somebody does";
  story.seen.waiting.clear();
  EXPECT_EQ(story.round(), "");
  EXPECT_EQ(story.round(seconds(100)),
            "ends slurm-1, Slurm's job 70: nobody waits for it any more\n");
}

TEST(Pilots, ANameIsUsedAgainOnlyOnceItsNodeIsRetired) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  story.pilot(70, "slurm-1", PilotState::kOver);
  story.node("slurm-1", 1).connected = false;
  EXPECT_EQ(story.round(),
            "retires slurm-1: its allocation is over\nasks Slurm for slurm-2, of kind cpu\n");
  story.seen.nodes.clear();
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
}

TEST(Pilots, TheNewestOfANameCounts) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kOver);
  story.pilot(75, "slurm-1", PilotState::kRunning);
  story.pilot(72, "slurm-1", PilotState::kOver);
  story.node("slurm-1", 1);
  EXPECT_EQ(story.round(), "");
}

TEST(Pilots, WhatSlurmHasLostSightOfIsGivenUpOnlyAfterItsLease) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kVanished);
  story.node("slurm-1", 1).connected = false;
  story.seen.nodes[0].last_heard = story.seen.now;
  EXPECT_EQ(story.round(seconds(600)), "");
  EXPECT_EQ(story.round(seconds(600)), "retires slurm-1: its allocation is over\n");
}

TEST(Pilots, ANodeWithoutAnAllocationGetsNothingNew) {
  Story story;
  story.node("slurm-1", 1);
  EXPECT_EQ(story.round(), "drains slurm-1: Slurm does not know its allocation\n");
  story.seen.nodes[0].drained = "devrun-slurm: Slurm does not know its allocation";
  EXPECT_EQ(story.round(), "");
}

TEST(Pilots, OthersNodesAndJobsAreLeftAlone) {
  Story story;
  story.node("slurm-x", 0);
  story.node("slurm-01", 0);
  story.node("node1", 0);
  story.pilot(70, "training", PilotState::kRunning);
  EXPECT_EQ(story.round(), "");
  EXPECT_EQ(story.round(seconds(1000)), "");
}

TEST(Pilots, OneThatWasDrainedByAnAdministratorLeavesWhenItIsIdle) {
  Story story;
  story.pilot(70, "slurm-1", PilotState::kRunning);
  story.node("slurm-1", 1).drained = "slow disk";
  EXPECT_EQ(story.round(), "");
  story.seen.nodes[0].attempts = 0;
  EXPECT_EQ(story.round(), "");
  EXPECT_EQ(story.round(seconds(100)), "ends slurm-1, Slurm's job 70: idle for 1m40s\n");
}

TEST(Pilots, WhatSlurmRefusesIsAskedForLater) {
  Story story;
  story.seen.waiting = {waits(1, 2)};
  put_off(story.memory.refused["cpu"], story.seen.now, seconds(10), seconds(15));
  EXPECT_EQ(story.round(), "");
  EXPECT_EQ(story.round(), "asks Slurm for slurm-1, of kind cpu\n");
  Pause& pause = story.memory.refused["cpu"];
  put_off(pause, story.seen.now, seconds(10), seconds(15));
  EXPECT_EQ(pause.length, seconds(15)) << "twice as long each time, up to that";
}

}  // namespace
}  // namespace devrun::pilots
