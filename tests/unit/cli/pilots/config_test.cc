// slurm.yaml, the order of a batch script, and the agent.yaml that comes of one; the shipped sample loads.
#include "cli/pilots/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/pilots/pilot_config.h"
#include "cli/pilots/pilot_space.h"
#include "cli/start/node_config.h"
#include "common/runtime/file.h"

namespace devrun::pilots {
namespace {

constexpr const char* kOne = "kinds:\n- {name: cpu, cpus: 8, memory: 32G, time: 4h}\n";

std::string complaint(const std::string& text) {
  const auto policy = parse_policy(text, "slurm.yaml");
  return policy ? "" : policy.error().message;
}

TEST(SlurmConfig, TheSampleLoads) {
  const auto policy = read_policy(DEVRUN_SOURCE_FOLDER "/deploy/slurm/slurm.yaml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->kinds.size(), 2u);
}

TEST(SlurmConfig, KeysThatTheSampleCommentsOutHaveTheirDefaultsThere) {
  std::string text = *read_file(DEVRUN_SOURCE_FOLDER "/deploy/slurm/slurm.yaml");
  for (size_t at = text.find("\n#"); at != std::string::npos; at = text.find("\n#", at + 1)) {
    if (text[at + 2] != ' ') text.erase(at + 1, 1);
  }
  const auto all = parse_policy(text, "slurm.yaml");
  ASSERT_TRUE(all) << all.error().message;
  const Policy plain;
  EXPECT_EQ(all->prefix, plain.prefix);
  EXPECT_EQ(all->max, plain.max);
  EXPECT_EQ(all->pending_max, plain.pending_max);
  EXPECT_EQ(all->idle_for, plain.idle_for);
  EXPECT_EQ(all->lead, plain.lead);
  EXPECT_EQ(all->grace, plain.grace);
  EXPECT_EQ(all->join_within, plain.join_within);
  EXPECT_EQ(all->lost_after, plain.lost_after);
  EXPECT_EQ(all->poll_every, plain.poll_every);
  EXPECT_EQ(all->programs, plain.programs);
  EXPECT_EQ(all->state, plain.state);
  EXPECT_EQ(all->log, plain.log);
  EXPECT_EQ(all->slurm, plain.slurm);
}

TEST(SlurmConfig, AllThatIsWrongIsNamedWithItsPlace) {
  EXPECT_EQ(complaint(kOne), "");
  EXPECT_EQ(
      complaint("max: 3\n"),
      "slurm.yaml: 'kinds' is missing, as kinds: [{name: cpu, cpus: 8, memory: 32G, time: 4h}]");
  EXPECT_EQ(complaint(std::string(kOne) + "idle_fro: 1m\nmax: 0\n"),
            "slurm.yaml:3:1: there is no 'idle_fro', did you mean 'idle_for'?\n"
            "slurm.yaml:4:6: '0' is no number from 1 to 1000");
  EXPECT_EQ(complaint("kinds: [{name: a b, cpus: 0.5}]\n"),
            "slurm.yaml:1:9: 'memory' is missing\nslurm.yaml:1:9: 'time' is missing\n"
            "slurm.yaml:1:16: 'a b' is no name: letters, digits, '-' and '_'\n"
            "slurm.yaml:1:27: '0.5' is no number from 1 to 100000");
  EXPECT_EQ(
      complaint("lead: 5h\n" + std::string(kOne)),
      "slurm.yaml:3:1: 'cpu': nothing would ever begin there: 'time' is not longer than 'lead'");
  EXPECT_EQ(complaint("kinds: [{name: a, cpus: 1, memory: 1G, time: 1h, options: [low]}]\n"),
            "slurm.yaml:1:59: 'low' is no option of sbatch, as --qos=low");
}

TEST(SlurmConfig, WhatPilotsAreKnownByIsNotAnOption) {
  for (const char* option : {"--comment=x", "-J", "--job-name=a", "--array=0-3", "--nodes=2"}) {
    const std::string said = complaint(fmt::format(
        "kinds: [{{name: a, cpus: 1, memory: 1G, time: 1h, options: ['{}']}}]\n", option));
    EXPECT_NE(said.find("is not yours to say"), std::string::npos) << option << ": " << said;
  }
}

PilotOrder order() {
  PilotOrder out;
  out.job = 12;
  out.name = "slurm-1";
  out.state = "/var/lib/devrun/pilots";
  out.cpus = 8;
  out.memory_bytes = int64_t{4} << 30;
  return out;
}

TEST(PilotConfig, AnOrderIsReadAsItIsWritten) {
  const auto read = parse_order({"--name", "slurm-1", "--state", "/s", "--grace", "15000ms",
                                 "--pool", "a", "--label", "k=v", "--job", "12", "--cpus", "8",
                                 "--memory", "4096M", "--gpus", "0,3"});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->gpus, (std::vector<std::string>{"0", "3"}));
  EXPECT_EQ(read->memory_bytes, int64_t{4} << 30);
  EXPECT_EQ(read->labels.at("k"), "v");
  EXPECT_FALSE(parse_order({"--name", "slurm-1"}));
  EXPECT_FALSE(parse_order({"--job", "x"}));
  EXPECT_FALSE(parse_order({"--job"}));
}

TEST(PilotConfig, TheEndOfTheAllocationIsTheNodes) {
  const std::vector<std::string> words = {"--name", "slurm-1", "--state", "/s",       "--job",
                                          "12",     "--cpus",  "8",       "--memory", "1G"};
  const auto read = parse_order(words, "1790000000");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->leaves, Time{1'790'000'000'000'000});
  const JoinedAs joined{"c:7443", "10.0.0.9", "nfs: [10.0.0.1:2049]\n"};
  const auto text = pilot_config(*read, joined, "/p/0");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(start::parse_node_config(*text, "agent.yaml")->leaves_at, 1'790'000'000);
  for (const char* none : {"", "N/A", "0", "-5", "99999999999999999999", "9999999999999999"}) {
    const auto without = parse_order(words, none);
    ASSERT_TRUE(without) << none;
    EXPECT_EQ(without->leaves, Time{}) << none;
    const auto of = pilot_config(*without, joined, "/p/0");
    EXPECT_FALSE(start::parse_node_config(*of, "agent.yaml")->leaves_at) << none;
  }
}

TEST(PilotConfig, TheAllocationComesBeforeTheDefaultsOfNodes) {
  PilotOrder of = order();
  of.gpus = {"1", "2"};
  of.pools = {"batch"};
  const auto text =
      pilot_config(of,
                   {"10.0.0.1:7443", "10.0.0.9",
                    "nfs: [10.0.0.1:2049]\ncache: 200G\npools: [site]\noutput_max: 2G\n"},
                   "/p/0");
  ASSERT_TRUE(text) << text.error().message;
  const auto config = start::parse_node_config(*text, "agent.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "slurm-1");
  EXPECT_EQ(config->state, "/p/0");
  EXPECT_EQ(config->cpu_milli, 8000);
  EXPECT_EQ(config->memory_bytes, int64_t{4} << 30);
  EXPECT_EQ(config->settings.pools, (std::vector<std::string>{"site", "batch"}));
  EXPECT_EQ(config->settings.cache_bytes, int64_t{200} << 30);
  EXPECT_EQ(config->settings.cache_folder, "/p/0/cache");
  EXPECT_EQ(config->settings.output_bytes_max, int64_t{2} << 30);
  EXPECT_EQ(config->settings.gpu_devices, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(config->settings.gpus, true);
  EXPECT_EQ(config->settings.leave_on_stop, seconds(15));
}

TEST(PilotConfig, WithoutGpusInTheAllocationThereAreNone) {
  const auto text = pilot_config(
      order(), {"c:7443", "10.0.0.9", "nfs: [10.0.0.1:2049]\ngpu_devices: [0]\n"}, "/p/0");
  ASSERT_TRUE(text) << text.error().message;
  const auto config = start::parse_node_config(*text, "agent.yaml");
  EXPECT_EQ(config->settings.gpus, false);
  EXPECT_TRUE(config->settings.gpu_devices.empty());
}

TEST(PilotSpace, CgroupMountsAreFoundWithWhatMountNeeds) {
  const auto mounts = cgroup_mounts(
      "25 1 0:22 / / rw - ext4 /dev/vda rw\n"
      "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "31 30 0:27 /.. /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup "
      "rw,cpu,cpuacct\n"
      "32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
      "34 25 0:30 / /elsewhere rw - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(mounts.size(), 3u);
  EXPECT_EQ(mounts[0].where, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(mounts[0].options, "cpu,cpuacct");
  EXPECT_EQ(mounts[1].options, "name=systemd");
  EXPECT_EQ(mounts[2].type, "cgroup2");
  EXPECT_EQ(mounts[2].options, "");
}

}  // namespace
}  // namespace devrun::pilots
