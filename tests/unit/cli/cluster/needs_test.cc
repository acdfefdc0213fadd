// What `devrun doctor` says of a machine with NVIDIA's driver, by a made root.
#include "cli/cluster/needs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace devrun::cluster {
namespace {

namespace fs = std::filesystem;

TEST(Needs, ADriverNeedsTheNodeThatNobodyMakesAfterABoot) {
  char name[] = "/tmp/devrun-needs-XXXXXX";
  const fs::path root = ::mkdtemp(name);
  fs::create_directories(root / "dev");
  fs::create_directories(root / "usr/bin");
  const auto touch = [&](const char* path) { std::ofstream(root / path) << ""; };
  EXPECT_FALSE(gpu_need(root.string())) << "no driver, no need";
  touch("dev/nvidiactl");
  auto need = gpu_need(root.string());
  ASSERT_TRUE(need);
  EXPECT_FALSE(need->present);
  EXPECT_FALSE(need->required);
  EXPECT_EQ(need->mend, "apt-get install -y nvidia-modprobe && nvidia-modprobe -u -c=0");
  touch("usr/bin/nvidia-modprobe");
  fs::permissions(root / "usr/bin/nvidia-modprobe", fs::perms::all);
  EXPECT_EQ(gpu_need(root.string())->mend, "nvidia-modprobe -u -c=0");
  touch("dev/nvidia-uvm");
  EXPECT_TRUE(gpu_need(root.string())->present);
  fs::remove_all(root);
}

}  // namespace
}  // namespace devrun::cluster
