// Whom the store's NFS server is not to answer: the list, and who can be on it.
#include "common/runtime/refused_clients.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace devrun {
namespace {

TEST(RefusedClients, AreKeptInAFile) {
  char folder[] = "/tmp/devrun-refused-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string file = std::string(folder) + "/refused-clients";
  EXPECT_EQ(*read_refused_clients(file), RefusedClients{}) << "not there yet";
  const RefusedClients clients = {{"10.0.0.7", "node7"}, {"10.0.0.9", "gpu.lab"}};
  ASSERT_TRUE(write_refused_clients(file, clients));
  EXPECT_EQ(*read_refused_clients(file), clients);
  // It becomes a part of a configuration.
  std::ofstream(file) << "10.0.0.7;} node7\n";
  EXPECT_EQ(read_refused_clients(file).error().code, Code::kCorrupt);
  std::filesystem::remove_all(folder);
}

TEST(RefusedClients, AreMachinesWithAnAddressOfTheirOwn) {
  EXPECT_TRUE(is_refusable("10.0.0.7"));
  for (const char* address : {"", "127.0.0.2", "0.0.0.0", "gpu.lab", "10.0.0.0/24", "fe80::1"}) {
    EXPECT_FALSE(is_refusable(address)) << address;
  }
}

}  // namespace
}  // namespace devrun
