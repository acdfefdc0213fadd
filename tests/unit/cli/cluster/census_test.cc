// What belongs to a cluster, as mountinfo tells it.
#include "cli/cluster/census.h"

#include <gtest/gtest.h>

namespace devrun::cluster {
namespace {

const Layout kLayout{"/var/lib/devrun"};

MountLine line(const std::string& text) {
  return *parse_mount_line(text);
}

TEST(ParseMountLine, ReadsTheFieldsThatMatter) {
  const MountLine mount = line(
      "36 35 98:0 /a\\040b /mnt rw,noatime master:1 propagate_from:2 - overlay over "
      "rw,upperdir=/u");
  EXPECT_EQ(mount.device, "98:0");
  EXPECT_EQ(mount.root, "/a b");
  EXPECT_EQ(mount.mount_point, "/mnt");
  EXPECT_EQ(mount.type, "overlay");
  EXPECT_EQ(mount.source, "over");
  EXPECT_EQ(mount.options, "rw,upperdir=/u");
  for (const char* bad : {"", "36 35 98:0 / /mnt rw", "a - b c d"}) {
    EXPECT_FALSE(parse_mount_line(bad)) << bad;
  }
}

TEST(FindOnDisk, GoesThroughTheInnermostMountAndItsRoot) {
  const MountLine root = line("1 0 8:1 / / rw - ext4 /dev/sda rw");
  const MountLine var = line("2 1 8:2 /sub /var rw - ext4 /dev/sdb rw");
  const MountLine elsewhere = line("3 1 8:3 / /variable rw - ext4 /dev/sdc rw");
  EXPECT_EQ(find_on_disk(kLayout.folder, {root}).root, "/var/lib/devrun");
  const FolderOnDisk found = find_on_disk(kLayout.folder, {root, var, elsewhere});
  EXPECT_EQ(found.device, "8:2");
  EXPECT_EQ(found.root, "/sub/lib/devrun");
}

TEST(Belongs, KnowsAllThatTheClusterMounts) {
  const FolderOnDisk disk{"8:1", "/var/lib/devrun"};
  const std::set<std::string> loops = {"/dev/loop7"};
  const auto ours = [&](const std::string& text) {
    return belongs(line(text), kLayout, disk, loops);
  };
  EXPECT_TRUE(ours("1 0 0:50 / /var/lib/devrun/nodes/n/fs/plain ro - fuse.devrun x rw"));
  EXPECT_TRUE(ours("1 0 0:50 /volumes/v/live / rw - btrfs /dev/loop7 rw"));
  EXPECT_TRUE(ours("1 0 8:1 /var/lib/devrun/nodes/n/sock /run/devrun rw - ext4 /dev/sda rw"));
  EXPECT_TRUE(
      ours("1 0 0:51 / / rw - overlay o rw,lowerdir=/x,upperdir=/var/lib/devrun/nodes/n/u"));
  EXPECT_FALSE(ours("1 0 8:1 / / rw - ext4 /dev/sda rw"));
  EXPECT_FALSE(ours("1 0 8:2 / /var/lib/devrun rw - ext4 /dev/sdb rw")) << "the user's own disk";
  EXPECT_FALSE(ours("1 0 8:2 / /var/lib/devrun2/store rw - ext4 /dev/sdb rw"));
  EXPECT_FALSE(ours("1 0 0:50 / /data rw - btrfs /dev/loop8 rw"));
  EXPECT_FALSE(ours("1 0 0:51 / / rw - overlay o rw,upperdir=/var/lib/docker/u"));
}

TEST(TakeCensus, OfAFolderThatNobodyUsesIsEmpty) {
  const Census census = take_census(Layout{"/nonexistent/cluster"});
  EXPECT_TRUE(census.members.empty());
  EXPECT_TRUE(census.own_mounts.empty());
  EXPECT_TRUE(census.loop_devices.empty());
}

}  // namespace
}  // namespace devrun::cluster
