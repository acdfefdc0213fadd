#include "common/runtime/network_file_system.h"

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "common/runtime/store_place.h"

namespace devrun {
namespace {

bool is_in_memory(const std::string& folder) {
  struct statfs about {};
  return ::statfs(folder.c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC;
}

TEST(NetworkFileSystem, IsKnownByItsMagicNumber) {
  EXPECT_EQ(network_file_system_name(NFS_SUPER_MAGIC), "NFS");
  EXPECT_EQ(network_file_system_name(0xFF534D42), "SMB");
  EXPECT_EQ(network_file_system_name(0x0bd00bd0), "Lustre");
  for (const int64_t local : {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC}) {
    EXPECT_EQ(network_file_system_name(local), "");
  }
}

TEST(NetworkFileSystem, OfAFolder) {
  EXPECT_EQ(*network_file_system_of("/proc"), "");
  EXPECT_FALSE(network_file_system_of("/no/such/folder"));
}

TEST(StorePlace, IsOnADiskAndCanExchangeNames) {
  char folder[] = "/var/tmp/devrun-place-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const Status tried = try_store_place(folder);
  EXPECT_TRUE(tried) << tried.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "nothing is left of it";
  EXPECT_TRUE(check_store_place(std::string(folder) + "/not/there/yet"));
  std::filesystem::remove_all(folder);
  // In memory; proc has neither of what it takes.
  char memory[] = "/dev/shm/devrun-place-XXXXXX";
  ASSERT_NE(::mkdtemp(memory), nullptr);
  if (*network_file_system_of(memory) == "" && is_in_memory(memory)) {
    for (const std::string& place : {std::string(memory), std::string(memory) + "/store"}) {
      const Status refused = check_store_place(place);
      EXPECT_EQ(refused.error().code, Code::kUnsupported) << place;
      EXPECT_NE(refused.error().message.find("is in memory"), std::string::npos);
    }
  }
  std::filesystem::remove_all(memory);
  EXPECT_EQ(try_store_place("/proc").error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace devrun
