// From configuration files to command lines: what each daemon is told.
#include "cli/start/plans.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/runtime/refused_clients.h"

namespace devrun::start {
namespace {

using cluster::Layout;

const cluster::Programs kPrograms = {"keeper", "controller", "agent",  "fs",
                                     "shim",   "gpus",       "devrun", "ganesha"};

bool says(const std::vector<std::string>& words, const std::string& flag,
          const std::string& value) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == flag && words[i + 1] == value) return true;
  }
  return false;
}
bool has(const std::vector<std::string>& words, const std::string& flag) {
  return std::ranges::count(words, flag) > 0;
}

TEST(Plans, ANodeIsToldWhatItsFileSays) {
  const auto config = parse_node_config(R"(name: node7
address: 10.0.0.17
controller: ctl:7443
nfs: [10.0.0.1:2049, 10.0.0.2:2049/devrun]
cpus: 7.5
cache: {size: 200G, folder: /nvme/cache}
pools: [a100]
labels: {zone: b}
resources: {fpga: 2}
site_mounts: [{from: /srv/data, to: /datasets, read_only: true}, {from: /h, ids: mapped}]
live: /mnt/volumes
report_every: 5s
gpu_devices: [0, GPU-5f]
leave_on_stop: 20s
)",
                                        "agent.yaml");
  ASSERT_TRUE(config) << config.error().message;
  const Layout layout{config->state};
  const auto agent = cluster::agent_daemon(layout, kPrograms, agent_plan(*config)).words;
  EXPECT_EQ(agent.front(), "agent");
  EXPECT_TRUE(says(agent, "--name", "node7"));
  EXPECT_TRUE(says(agent, "--controller", "ctl:7443"));
  EXPECT_TRUE(says(agent, "--cert", "/var/lib/devrun/pki/node7.pem"));
  EXPECT_TRUE(says(agent, "--key", "/var/lib/devrun/pki/node7.pem"));
  EXPECT_TRUE(says(agent, "--nfs", "10.0.0.1:2049"));
  EXPECT_TRUE(says(agent, "--cpus", "7.500"));
  EXPECT_TRUE(says(agent, "--pool", "a100"));
  EXPECT_TRUE(says(agent, "--label", "zone=b"));
  EXPECT_TRUE(says(agent, "--resource", "fpga:2"));
  EXPECT_TRUE(says(agent, "--site-mount", "/srv/data:/datasets:ro"));
  EXPECT_TRUE(says(agent, "--site-mount", "/h:/h:mapped-ids"));
  EXPECT_TRUE(says(agent, "--report-every", "5000ms"));
  EXPECT_TRUE(says(agent, "--gpus", "gpus"));
  EXPECT_TRUE(says(agent, "--gpu-device", "0"));
  EXPECT_TRUE(says(agent, "--gpu-device", "GPU-5f"));
  EXPECT_TRUE(says(agent, "--leave-on-stop", "20000ms"));
  EXPECT_FALSE(has(agent, "--memory"));
  EXPECT_TRUE(says(agent, "--live", "/mnt/volumes"));
  EXPECT_FALSE(has(agent, "--dev-containers"));
  const auto files = cluster::files_daemon(layout, kPrograms, "node7", files_plan(*config)).words;
  EXPECT_TRUE(says(files, "--nfs", "10.0.0.1:2049/,10.0.0.2:2049/devrun"));
  EXPECT_TRUE(says(files, "--cache", "/nvme/cache"));
  EXPECT_TRUE(says(files, "--cache-size", std::to_string(int64_t{200} << 30)));
}

TEST(Plans, TheControllersMachineIsToldWhatItsFileSays) {
  const auto config = parse_controller_config(R"(store: /srv/devrun
address: ctl.example.org
names: [10.0.0.1]
nfs: {listen: 10.0.0.1:2049, networks: [10.0.0.0/24, 10.0.1.5]}
lease: 5m
node_defaults: {cache: 100G, shared_folder: /mnt/shared, site_mounts: [{from: /lustre}]}
)",
                                              "c.yaml");
  ASSERT_TRUE(config) << config.error().message;
  const Layout layout{config->state};
  const auto words = cluster::controller_daemon(layout, kPrograms, controller_plan(*config)).words;
  EXPECT_TRUE(says(words, "--store", "/srv/devrun"));
  EXPECT_TRUE(says(words, "--listen", "0.0.0.0:7443"));
  EXPECT_TRUE(says(words, "--address", "ctl.example.org:7443"));
  EXPECT_TRUE(says(words, "--join-address", "ctl.example.org:7444"));
  EXPECT_TRUE(says(words, "--ca-key", "/var/lib/devrun/pki/ca.key"));
  EXPECT_TRUE(says(words, "--lease", "5m"));
  EXPECT_TRUE(says(words, "--nfs-folder", "/var/lib/devrun/run/nfs"));
  EXPECT_TRUE(says(words, "--shared-folder", "/mnt/shared"));
  const auto storage = cluster::agent_daemon(layout, kPrograms, storage_agent_plan(*config)).words;
  EXPECT_TRUE(says(storage, "--controller", "127.0.0.1:7443"));
  EXPECT_TRUE(says(storage, "--live", "/srv/devrun/volumes"));
  EXPECT_TRUE(says(storage, "--site-mount", "/lustre:/lustre"));
  EXPECT_TRUE(has(storage, "--dev-containers"));
  EXPECT_EQ(certified_hosts(*config), (std::vector<std::string>{"ctl.example.org", "10.0.0.1"}));
  const std::string ganesha = cluster::ganesha_config(ganesha_plan(*config));
  EXPECT_NE(ganesha.find("Bind_addr = 10.0.0.1;"), std::string::npos);
  EXPECT_NE(ganesha.find("Clients = 10.0.0.0/24, 10.0.1.5;"), std::string::npos);
  EXPECT_NE(ganesha.find("  Access_Type = NONE;"), std::string::npos);
  // Of a revoked node: before the network that has it, once however often, and gone again.
  const std::string refused =
      with_refused_clients(ganesha, {{"10.0.0.7", "node7"}, {"10.0.0.9", "n9"}});
  EXPECT_NE(
      refused.find("  CLIENT { Clients = 10.0.0.7, 10.0.0.9; Access_Type = NONE; } # refused\n"
                   "  CLIENT { Clients = 10.0.0.0/24, 10.0.1.5;"),
      std::string::npos)
      << refused;
  EXPECT_EQ(with_refused_clients(with_refused_clients(refused, {{"10.0.0.3", "x"}}),
                                 {{"10.0.0.7", "node7"}, {"10.0.0.9", "n9"}}),
            refused);
  EXPECT_EQ(with_refused_clients(refused, {}), ganesha);
}

// What the controller hands to a node, with what the node knows itself, is a configuration.
TEST(Plans, SettingsOfNodesAreTheirConfiguration) {
  const auto config = parse_controller_config(R"(store: /srv/devrun
address: ctl
nfs: {server: [10.0.0.9:2049/x]}
node_defaults:
  cache: {size: 100G}
  site_mounts: [{from: /lustre}, {from: /srv/data, to: /data, read_only: true}]
  labels: {rack: "7"}
)",
                                              "c.yaml");
  ASSERT_TRUE(config) << config.error().message;
  const auto node = parse_node_config(
      "name: n\naddress: 10.0.0.5\ncontroller: ctl:7443\n" + node_settings(*config), "agent.yaml");
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->nfs, std::vector<std::string>{"10.0.0.9:2049/x"});
  EXPECT_EQ(node->settings.cache_bytes, int64_t{100} << 30);
  EXPECT_EQ(node->settings.site_mounts.size(), 2u);
  EXPECT_EQ(node->settings.labels.at("rack"), "7");
}

}  // namespace
}  // namespace devrun::start
