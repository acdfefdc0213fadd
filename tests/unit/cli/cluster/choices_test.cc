// What `up` chooses: sizes, shares, ports, folders, and what it remembers of it.
#include <gtest/gtest.h>

#include "cli/cluster/ganesha.h"
#include "cli/cluster/layout.h"
#include "cli/cluster/machine.h"
#include "cli/cluster/ports.h"
#include "cli/cluster/record.h"
#include "cli/cluster/store.h"

namespace devrun::cluster {
namespace {

constexpr int64_t kGiB = 1LL << 30;

TEST(ImageSize, IsSixtyPercentOfFreeUpToTwentyGigabytes) {
  EXPECT_EQ(*image_size({1000 * kGiB, 900 * kGiB}, {}), 20 * kGiB);
  EXPECT_EQ(*image_size({20 * kGiB, 10 * kGiB}, {}), 6 * kGiB);
}

TEST(ImageSize, LeavesTenPercentOfTheDiskFree) {
  EXPECT_EQ(*image_size({20 * kGiB, 4 * kGiB}, {}), 2 * kGiB);
  EXPECT_TRUE(image_size({100 * kGiB, 30 * kGiB}, 20 * kGiB));
  const auto refused = image_size({100 * kGiB, 30 * kGiB}, 21 * kGiB);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  EXPECT_FALSE(refused.error().hint.empty());
  EXPECT_FALSE(image_size({100 * kGiB, 10 * kGiB}, {}));
}

TEST(ImageSize, RefusesWhatIsTooSmallToBeAFileSystem) {
  EXPECT_EQ(image_size({100 * kGiB, 90 * kGiB}, 1 << 20).error().code, Code::kInvalid);
}

TEST(NodeShare, DividesTheMachineButLeavesEachACore) {
  Resources machine;
  machine.cpu_milli = 8000;
  machine.memory_bytes = 16 * kGiB;
  EXPECT_EQ(node_share(machine, 3).cpu_milli, 2000);
  EXPECT_EQ(node_share(machine, 4).memory_bytes, 4 * kGiB);
  EXPECT_EQ(node_share(machine, 20).cpu_milli, 1000);
}

TEST(Record, RoundTripsAndNamesWhatIsWrong) {
  Record record;
  record.nodes = 3;
  record.controller_port = 7443;
  record.nfs_port = 41000;
  record.store_is_image = true;
  record.cache_bytes = 123456789012;
  const auto read = parse_record(to_json(record));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->nodes, 3);
  EXPECT_EQ(read->controller_port, 7443);
  EXPECT_EQ(read->nfs_port, 41000);
  EXPECT_TRUE(read->store_is_image);
  EXPECT_EQ(read->cache_bytes, 123456789012);
  EXPECT_FALSE(parse_record(""));
  EXPECT_FALSE(parse_record("[]"));
  EXPECT_FALSE(parse_record(R"({"version": 1, "nodes": 0})"));
  EXPECT_EQ(parse_record(R"({"version": 2})").error().code, Code::kUnsupported);
}

TEST(Record, NodesAreNumberedFromOneAndLiveBesideTheStorageHost) {
  Record record;
  record.nodes = 2;
  EXPECT_EQ(record.node_names(), (std::vector<std::string>{"node1", "node2"}));
  EXPECT_EQ(node_address(1), "127.0.0.2");
}

TEST(Layout, IsAbsoluteAndRefusesWhatWouldBeSyntaxElsewhere) {
  EXPECT_EQ(layout_of("")->folder, "/var/lib/devrun");
  EXPECT_EQ(layout_of("/tmp/../var/x/")->folder, "/var/x");
  for (const char* bad : {"/", "/a b", "/a,b", "/a{b", "/a;b"}) EXPECT_FALSE(layout_of(bad)) << bad;
}

TEST(Ports, ATakenOneGivesWayToAnother) {
  const auto first = free_port(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(*free_port(*first), *first);
  EXPECT_FALSE(port_accepts(*first));
}

TEST(Ganesha, ExportsOneFolderReadOnlyToPrivilegedPortsOfThisMachine) {
  const std::string text =
      ganesha_config({.port = 7449, .exported = "/c/store/export", .folder = "/c/run/nfs"});
  for (const char* needed :
       {"NFS_Port = 7449;", "Bind_addr = 127.0.0.1;", "Path = /c/store/export;", "Pseudo = /;",
        "Access_Type = RO;", "PrivilegedPort = true;", "Protocols = 4;", "Graceless = true;",
        "Only_Numeric_Owners = true;", "RecoveryRoot = /c/run/nfs/recovery;"}) {
    EXPECT_NE(text.find(needed), std::string::npos) << needed;
  }
}

TEST(Choices, AStoreOfPlainFoldersIsNotInMemory) {
  const auto refused = shall_be_image("/dev/shm", StoreDriver::kScan);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_TRUE(*shall_be_image("/dev/shm", StoreDriver::kBtrfs));
  EXPECT_TRUE(*shall_be_image("/dev/shm", {}));
}

}  // namespace
}  // namespace devrun::cluster
