// Configuration files: what they say, and what is said of those that are wrong; the samples that are shipped.
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "cli/start/controller_config.h"
#include "cli/start/node_config.h"
#include "common/runtime/file.h"

namespace devrun::start {
namespace {

constexpr const char* kNode = R"(name: node7
address: 10.0.0.17
controller: ctl.example.org:7443
nfs: 10.0.0.1:2049
)";
constexpr const char* kController = R"(store: /srv/devrun
address: ctl.example.org
nfs: {listen: 10.0.0.1:2049, networks: [10.0.0.0/24]}
)";

std::string wrong_node(const std::string& text) {
  const auto config = parse_node_config(text, "agent.yaml");
  return config ? "nothing is wrong" : config.error().message;
}
std::string wrong_controller(const std::string& text) {
  const auto config = parse_controller_config(text, "c.yaml");
  return config ? "nothing is wrong" : config.error().message;
}

// The sample with all that is commented out said.
std::string in_full(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  std::string line;
  bool other_nfs = false;
  while (std::getline(in, line)) {
    if (line.starts_with("#nfs:")) other_nfs = true;
    static const std::regex kKey("#(  )?[a-z_]+:.*");
    if (!std::regex_match(line, kKey)) {
      other_nfs = false;
      out += line + "\n";
    } else if (!other_nfs) {
      out += line.substr(1) + "\n";
    }
  }
  return out;
}

TEST(NodeConfig, SaysLittleAndHasDefaults) {
  const auto config = parse_node_config(kNode, "agent.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "node7");
  EXPECT_EQ(config->address, "10.0.0.17");
  EXPECT_EQ(config->controller, "ctl.example.org:7443");
  EXPECT_EQ(config->nfs, std::vector<std::string>{"10.0.0.1:2049"});
  EXPECT_EQ(config->state, "/var/lib/devrun");
  EXPECT_FALSE(config->settings.cache_bytes);
  EXPECT_FALSE(config->cpu_milli);
}

TEST(NodeConfig, SaysEverything) {
  const auto config = parse_node_config(std::string(kNode) + R"(
state: /data/devrun
cpus: 7.5
memory: 16G
resources: {fpga: 2}
cache: {size: 200G, folder: /nvme/cache}
scratch: 100G
output_max: 4G
node_paths: 0
pools: [a100, big]
labels: {zone: b}
shared_folder: /mnt/shared
live: /mnt/volumes
site_mounts: [{from: /lustre}, {from: /srv/data, to: /datasets, read_only: true}]
gpus: false
gpu_root: /run/nvidia/driver
report_every: 5s
)",
                                        "agent.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->state, "/data/devrun");
  EXPECT_EQ(config->cpu_milli, 7500);
  EXPECT_EQ(config->memory_bytes, int64_t{16} << 30);
  EXPECT_EQ(config->resources.at("fpga"), 2);
  EXPECT_EQ(config->settings.cache_bytes, int64_t{200} << 30);
  EXPECT_EQ(config->settings.cache_folder, "/nvme/cache");
  EXPECT_EQ(config->settings.pools, (std::vector<std::string>{"a100", "big"}));
  EXPECT_EQ(config->settings.labels.at("zone"), "b");
  ASSERT_EQ(config->settings.site_mounts.size(), 2u);
  EXPECT_EQ(config->settings.site_mounts[0].to, "/lustre");
  EXPECT_TRUE(config->settings.site_mounts[1].read_only);
  EXPECT_EQ(config->settings.live, "/mnt/volumes");
  EXPECT_EQ(config->settings.gpus, false);
  EXPECT_EQ(config->settings.report_every, seconds(5));
}

TEST(NodeConfig, TellsAllThatIsWrongAtOnceWithItsPlace) {
  EXPECT_EQ(wrong_node("name: node7\naddres: 10.0.0.17\ncontroller: ctl\nnfs: store:2049\n"
                       "cache: 1k\nmemory: lots\n"),
            "agent.yaml: 'address' is missing, as address: 10.0.0.17, where the other nodes reach "
            "this one\n"
            "agent.yaml:2:1: there is no 'addres', did you mean 'address'?\n"
            "agent.yaml:3:13: 'ctl' is not HOST:PORT, as 10.0.0.1:7443\n"
            "agent.yaml:4:6: 'store:2049' is not ADDRESS:PORT or ADDRESS:PORT/EXPORT, as "
            "10.0.0.1:2049; an IPv4 address, not a name\n"
            "agent.yaml:5:8: '1k' is too little: 16M at least, or 0\n"
            "agent.yaml:6:9: 'lots' is no size, as 16G");
}

TEST(NodeConfig, RefusesWhatCannotBe) {
  EXPECT_NE(wrong_node(std::string(kNode) + "name: other\n").find("'name' stands here twice"),
            std::string::npos);
  EXPECT_NE(wrong_node(std::string(kNode) + "site_mounts: [{to: /x}]\n").find("'from'"),
            std::string::npos);
  EXPECT_NE(wrong_node(std::string(kNode) + "site_mounts: [{from: x}]\n").find("no absolute path"),
            std::string::npos);
  EXPECT_NE(wrong_node(std::string(kNode) + "site_mounts: [{from: /x, to: /}]\n").find("root"),
            std::string::npos);
  EXPECT_NE(wrong_node(std::string(kNode) + "site_mounts: [{from: /x, ids: maped}]\n")
                .find("'maped' is not user, mapped or container: did you mean mapped?"),
            std::string::npos);
  EXPECT_NE(wrong_node(std::string(kNode) + "labels: {zone: 'a b'}\n").find("no label"),
            std::string::npos);
  EXPECT_NE(wrong_node("name: a/b\n").find("a name has no '/'"), std::string::npos);
  EXPECT_NE(wrong_node("- name\n").find("expected `name: value` lines"), std::string::npos);
  EXPECT_NE(wrong_node("name: [\n").find("agent.yaml:"), std::string::npos);
  EXPECT_NE(wrong_node("").find("'name' is missing"), std::string::npos);
}

TEST(ControllerConfig, SaysLittleAndHasDefaults) {
  const auto config = parse_controller_config(kController, "c.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->store, "/srv/devrun");
  EXPECT_EQ(config->listen, "0.0.0.0:7443");
  EXPECT_EQ(config->join, "0.0.0.0:7444");
  EXPECT_EQ(config->nfs.servers, std::vector<std::string>{"10.0.0.1:2049"});
  EXPECT_TRUE(config->dev_containers);
  EXPECT_TRUE(config->flags.empty());
}

TEST(ControllerConfig, TellsAllThatIsWrong) {
  EXPECT_EQ(wrong_controller("store: srv\naddress: 10.0.0.1\nnfs: {listen: 10.0.0.1:2049}\n"
                             "lese: 15m\nlease: soon\nnode_defaults: {cashe: 1G}\n"),
            "c.yaml:1:8: 'srv' is no absolute path, as /srv/devrun\n"
            "c.yaml:3:6: 'networks', the nodes' addresses, is missing: whoever reaches the NFS "
            "server reads every file in the store\n"
            "c.yaml:4:1: there is no 'lese', did you mean 'lease'?\n"
            "c.yaml:5:8: 'soon' is no span, as 15m or 30d\n"
            "c.yaml:6:17: there is no 'cashe', did you mean 'cache'?");
  EXPECT_NE(wrong_controller("store: /s\naddress: ctl\nnfs: {listen: 0.0.0.0:2049, networks: "
                             "[10.0.0.0/8]}\n")
                .find("'server', ADDRESS:PORT as the nodes reach it, is missing"),
            std::string::npos);
  EXPECT_NE(wrong_controller("store: /s\naddress: ctl\nnfs: {}\n").find("'listen'"),
            std::string::npos);
  EXPECT_NE(wrong_controller("store: /s\naddress: ctl\nnfs: {listen: 10.0.0.1:2049, networks: "
                             "[10.0.0.0/33]}\n")
                .find("no network"),
            std::string::npos);
}

TEST(ControllerConfig, FindsOutWhereNodesReachItsNfsServer) {
  const auto everywhere = parse_controller_config(
      "store: /s\naddress: 10.0.0.1\nnfs: {listen: 0.0.0.0:2049, networks: [10.0.0.0/8]}\n", "c");
  ASSERT_TRUE(everywhere) << everywhere.error().message;
  EXPECT_EQ(everywhere->nfs.servers, std::vector<std::string>{"10.0.0.1:2049"});
  const auto there = parse_controller_config(
      "store: /s\naddress: ctl\nnfs: {server: [10.0.0.9:2049/x, 10.0.0.10:2049/x]}\n", "c");
  ASSERT_TRUE(there) << there.error().message;
  EXPECT_TRUE(there->nfs.listen_address.empty());
  EXPECT_EQ(there->nfs.servers.size(), 2u);
}

TEST(Samples, AreGoodAsTheyAreAndInFull) {
  const std::string folder = std::string(DEVRUN_SOURCE_FOLDER) + "/deploy/config/";
  const std::string node = *read_file(folder + "agent.yaml");
  const std::string controller = *read_file(folder + "controller.yaml");
  for (const std::string& text : {node, in_full(node)}) {
    const auto config = parse_node_config(text, "agent.yaml");
    EXPECT_TRUE(config) << config.error().message;
  }
  for (const std::string& text : {controller, in_full(controller)}) {
    const auto config = parse_controller_config(text, "controller.yaml");
    EXPECT_TRUE(config) << config.error().message;
  }
  EXPECT_TRUE(parse_node_config(in_full(node), "agent.yaml")->memory_bytes);
  EXPECT_FALSE(parse_controller_config(in_full(controller), "controller.yaml")->flags.empty());
}

}  // namespace
}  // namespace devrun::start
