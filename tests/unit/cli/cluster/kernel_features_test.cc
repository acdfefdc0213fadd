// What doctor says of a kernel, and that looking leaves nothing.
#include "cli/cluster/kernel_features.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>

#include "common/runtime/file.h"

namespace devrun::cluster {
namespace {

std::vector<std::string> missing(const KernelProbe& probe) {
  std::vector<std::string> out;
  for (const Need& need : kernel_features(probe)) {
    EXPECT_FALSE(need.required) << need.name;
    if (!need.present) out.push_back(need.name);
  }
  return out;
}

KernelProbe linux_5_15() {
  KernelProbe out;
  out.tried = out.fuse = out.read_ahead = true;
  out.overlay_redirect = out.overlay_index = out.overlay_volatile = true;
  out.major = 5;
  out.minor = 15;
  out.fuse_flags = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT | FUSE_CACHE_SYMLINKS |
                   FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS |
                   FUSE_MAX_PAGES | FUSE_EXPORT_SUPPORT;
  return out;
}

TEST(KernelFeatures, OfAnOlderKernelOneIsMissingAndNoneIsRequired) {
  EXPECT_EQ(missing(linux_5_15()), std::vector<std::string>{"FUSE: sends requests again"});
  KernelProbe older = linux_5_15();
  older.minor = 4;
  older.overlay_volatile = false;
  EXPECT_EQ(missing(older),
            (std::vector<std::string>{"kernel 5.15 or later", "FUSE: sends requests again",
                                      "overlay: volatile"}));
  EXPECT_TRUE(kernel_features({}).empty());
}

TEST(KernelFeatures, AreFoundByTryingAndNothingStays) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto before = read_file("/proc/self/mountinfo");
  const KernelProbe probe = probe_kernel();
  EXPECT_EQ(*read_file("/proc/self/mountinfo"), *before);
  EXPECT_GE(probe.major, 5u);
  EXPECT_TRUE(probe.tried && probe.fuse && probe.overlay_redirect);
  EXPECT_TRUE(probe.fuse_flags & FUSE_DO_READDIRPLUS);
}

}  // namespace
}  // namespace devrun::cluster
