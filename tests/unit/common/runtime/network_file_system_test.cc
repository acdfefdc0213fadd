#include "common/runtime/network_file_system.h"

#include <gtest/gtest.h>
#include <linux/magic.h>

namespace devrun {
namespace {

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

}  // namespace
}  // namespace devrun
