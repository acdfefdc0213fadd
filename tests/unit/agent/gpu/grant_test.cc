// What a container gets of some GPUs, from a driver root with fake device nodes.
#include "agent/gpu/grant.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/gpu/cdi.h"
#include "agent/gpu/soname.h"

namespace devrun::gpu {
namespace {

namespace fs = std::filesystem;

class Grants : public ::testing::Test {
 protected:
  Grants() {
    char name[] = "/tmp/devrun-gpu-XXXXXX";
    root_ = ::mkdtemp(name);
    fs::create_directories(root_ / "dev");
    fs::create_directories(root_ / "etc/cdi");
    fs::create_directories(root_ / "usr/bin");
    fs::create_directories(root_ / "usr/lib/x86_64-linux-gnu");
    driver_.root = root_.string();
    for (uint32_t i = 0; i < 3; ++i) {
      driver_.gpus.push_back({{i, "H100", "NVIDIA H100", 80, "GPU-" + std::to_string(i)}, i + 4});
    }
  }
  ~Grants() override { fs::remove_all(root_); }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "making device nodes needs root";
    for (const unsigned minor : {4u, 5u, 6u}) node("nvidia" + std::to_string(minor), minor);
    node("nvidiactl", 255);
  }
  void node(const std::string& name, unsigned minor) {
    const std::string path = (root_ / "dev" / name).string();
    ASSERT_EQ(::mknod(path.c_str(), S_IFCHR | 0666, makedev(195, minor)), 0);
  }
  static std::vector<std::string> paths(const Grant& grant) {
    std::vector<std::string> out;
    for (const DeviceNode& device : grant.devices) out.push_back(device.path);
    return out;
  }
  bool binds(const Grant& grant, const std::string& source, const std::string& target) {
    const BoundFile wanted{(root_ / source).string(), target};
    return std::find(grant.files.begin(), grant.files.end(), wanted) != grant.files.end();
  }

  fs::path root_;
  Driver driver_;
};

TEST_F(Grants, OnlyTheNodesOfTheGivenIndices) {
  const auto grant = grant_gpus(driver_, {2, 0});
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_EQ(paths(*grant),
            (std::vector<std::string>{"/dev/nvidia6", "/dev/nvidia4", "/dev/nvidiactl"}));
  EXPECT_EQ(grant->devices[0], (DeviceNode{"/dev/nvidia6", 'c', 195, 6}));
  EXPECT_TRUE(grant_gpus(driver_, {})->devices.empty());
  EXPECT_EQ(grant_gpus(driver_, {7}).error().code, Code::kNotFound);
  fs::remove(root_ / "dev/nvidiactl");
  EXPECT_EQ(grant_gpus(driver_, {0}).error().code, Code::kNotFound);
}

TEST_F(Grants, TheDriversFilesUnderTheirNames) {
  // Any library will do: its own name is another one, as that of a driver's version is.
  fs::copy_file("/lib/x86_64-linux-gnu/libm.so.6",
                root_ / "usr/lib/x86_64-linux-gnu/libcuda.so.550.1");
  fs::create_symlink("libcuda.so.550.1", root_ / "usr/lib/x86_64-linux-gnu/libcuda.so.1");
  fs::copy_file("/bin/true", root_ / "usr/bin/nvidia-smi");
  const auto grant = grant_gpus(driver_, {0});
  ASSERT_TRUE(grant);
  const std::string real = "usr/lib/x86_64-linux-gnu/libcuda.so.550.1";
  EXPECT_TRUE(binds(*grant, real, "/run/nvidia/lib/libcuda.so.550.1"));
  EXPECT_TRUE(binds(*grant, real, "/run/nvidia/lib/libm.so.6"));  // its DT_SONAME
  EXPECT_TRUE(binds(*grant, "usr/bin/nvidia-smi", "/run/nvidia/bin/nvidia-smi"));
  EXPECT_EQ(soname_of("/bin/true"), "");
  EXPECT_EQ(soname_of("/etc/passwd"), "");
}

TEST_F(Grants, AnAdministratorsSpecificationCountsInstead) {
  std::ofstream(root_ / "etc/cdi/nvidia.yaml") << R"(
cdiVersion: 0.5.0
kind: nvidia.com/gpu
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
  mounts:
  - hostPath: /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1
    containerPath: /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1
    options: [ro, bind]
  - hostPath: /etc/cdi/nvidia.yaml
    containerPath: /etc/passwd
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-ctk
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia4
- name: GPU-1
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia5
    - path: /dev/dri/card1
      hostPath: /dev/nvidia6
)";
  fs::copy_file("/lib/x86_64-linux-gnu/libm.so.6",
                root_ / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
  const auto grant = grant_gpus(driver_, {0, 1});
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_EQ(paths(*grant), (std::vector<std::string>{"/dev/nvidiactl", "/dev/nvidia4",
                                                     "/dev/nvidia5", "/dev/dri/card1"}));
  EXPECT_TRUE(binds(*grant, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
                    "/run/nvidia/lib/libnvidia-ml.so.1"));
  for (const BoundFile& file : grant->files) EXPECT_TRUE(file.target.starts_with("/run/nvidia/"));
  // One that it does not name is found.
  EXPECT_EQ(paths(*grant_gpus(driver_, {2})),
            (std::vector<std::string>{"/dev/nvidia6", "/dev/nvidiactl"}));
}

TEST(Cdi, WhatCannotBeReadIsAnErrorWithItsPlace) {
  EXPECT_TRUE(parse_cdi("kind: vendor.com/nic\ndevices: []")->devices.empty());
  const auto bad = parse_cdi("kind: nvidia.com/gpu\ndevices: [");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("line "), std::string::npos);
}

TEST(Found, LinesOfTheProbe) {
  const auto gpus = parse_gpus(
      "0\t3\t85899345920\tGPU-a\tNVIDIA A100-SXM4-80GB\n"
      "GPU 1 does not answer\n"
      "2\t5\t150754820096\tGPU-c\tNVIDIA H200\n");
  ASSERT_TRUE(gpus);
  ASSERT_EQ(gpus->size(), 2u);
  EXPECT_EQ((*gpus)[0].minor, 3u);
  EXPECT_EQ((*gpus)[0].gpu.type, "A100-80GB");
  EXPECT_EQ((*gpus)[1].gpu.index, 2u);
  EXPECT_EQ((*gpus)[1].gpu.type, "H200");
  EXPECT_FALSE(parse_gpus("x\ty\tz\n"));
  EXPECT_EQ(share_of(*gpus, 1, 2).size(), 2u);
  EXPECT_TRUE(share_of(*gpus, 2, 2).empty());
}

}  // namespace
}  // namespace devrun::gpu
