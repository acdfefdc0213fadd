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

TEST_F(Grants, ASpecificationOfAnotherDriverIsAnError) {
  const auto write = [&](const std::string& mount) {
    std::ofstream(root_ / "etc/cdi/nvidia.yaml")
        << "kind: nvidia.com/gpu\ncontainerEdits:\n  mounts:\n  - hostPath: " << mount
        << "\n    containerPath: " << mount
        << "\ndevices:\n- name: GPU-0\n  containerEdits:\n    deviceNodes:\n    - path: "
           "/dev/nvidia4\n";
  };
  for (const char* gone : {"/usr/lib/x86_64-linux-gnu/libcuda.so.550.1", "/usr/bin/nvidia-smi"}) {
    write(gone);
    const auto grant = grant_gpus(driver_, {0});
    ASSERT_FALSE(grant) << gone;
    EXPECT_NE(grant.error().message.find(gone), std::string::npos);
    EXPECT_NE(grant.error().hint.find("nvidia-ctk cdi generate"), std::string::npos);
  }
  // What is not bound anyway, and sockets of daemons that may come later.
  for (const char* other :
       {"/lib/firmware/nvidia/550.1/gsp.bin", "/run/nvidia-persistenced/socket"}) {
    write(other);
    EXPECT_TRUE(grant_gpus(driver_, {0})) << other;
  }
}

TEST(Cdi, WhatCannotBeReadIsAnErrorWithItsPlace) {
  EXPECT_TRUE(parse_cdi("kind: vendor.com/nic\ndevices: []")->devices.empty());
  const auto bad = parse_cdi("kind: nvidia.com/gpu\ndevices: [");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("line "), std::string::npos);
}

TEST_F(Grants, ASliceIsItsGpusNodeAndTheTwoThatOpenIt) {
  fs::create_directories(root_ / "proc/driver/nvidia-caps");
  fs::create_directories(root_ / "dev/nvidia-caps");
  std::ofstream(root_ / "proc/driver/nvidia-caps/mig-minors")
      << "config 1\ngpu4/gi1/access 12\ngpu4/gi1/ci0/access 13\ngpu4/gi11/access 99\n"
         "gpu4/gi2/access 21\ngpu4/gi2/ci0/access 22\n";
  for (const unsigned minor : {12u, 13u, 21u, 22u}) {
    node("nvidia-caps/nvidia-cap" + std::to_string(minor), minor);
  }
  FoundGpu slice = driver_.gpus[0];
  slice.gpu.index = 101;
  slice.gpu.uuid = "MIG-b";
  slice.gpu.slice = "1g.10gb";
  slice.gpu_instance = 2;
  driver_.gpus.push_back(slice);
  const auto grant = grant_gpus(driver_, {101});
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_EQ(paths(*grant),
            (std::vector<std::string>{"/dev/nvidia4", "/dev/nvidia-caps/nvidia-cap21",
                                      "/dev/nvidia-caps/nvidia-cap22", "/dev/nvidiactl"}));
  EXPECT_EQ(gpu_variables(driver_, {101}),
            (std::vector<std::string>{"CUDA_VISIBLE_DEVICES=MIG-b"}));
  EXPECT_EQ(gpu_variables(driver_, {2, 0}), (std::vector<std::string>{"CUDA_VISIBLE_DEVICES=0,1"}));
  EXPECT_TRUE(gpu_variables(driver_, {}).empty());
  driver_.gpus.back().gpu_instance = 3;
  EXPECT_EQ(grant_gpus(driver_, {101}).error().code, Code::kNotFound);
}

TEST_F(Grants, AmdsGpusAreRenderNodesAndTheirComputeNode) {
  fs::create_directories(root_ / "dev/dri");
  node("dri/renderD128", 128);
  node("dri/renderD129", 129);
  node("kfd", 9);
  for (FoundGpu& found : driver_.gpus) found.maker = Maker::kAmd;
  driver_.gpus[1].minor = 129;
  const auto grant = grant_gpus(driver_, {1});
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_EQ(paths(*grant), (std::vector<std::string>{"/dev/dri/renderD129", "/dev/kfd"}));
  EXPECT_TRUE(grant->files.empty());  // its libraries are the volume's own
  EXPECT_EQ(gpu_variables(driver_, {1}), (std::vector<std::string>{"ROCR_VISIBLE_DEVICES=0"}));
}

TEST_F(Grants, TheNetworkBetweenMachinesComesAlong) {
  fs::create_directories(root_ / "dev/infiniband");
  for (const char* name : {"uverbs0", "uverbs1", "rdma_cm", "umad0", "issm0"}) {
    node(std::string("infiniband/") + name, 1);
  }
  node("gdrdrv", 2);
  const auto grant = grant_gpus(driver_, {0});
  ASSERT_TRUE(grant);
  EXPECT_EQ(paths(*grant),
            (std::vector<std::string>{"/dev/nvidia4", "/dev/nvidiactl", "/dev/infiniband/rdma_cm",
                                      "/dev/infiniband/uverbs0", "/dev/infiniband/uverbs1",
                                      "/dev/gdrdrv"}));
  EXPECT_TRUE(grant_gpus(driver_, {})->devices.empty());
}

}  // namespace
}  // namespace devrun::gpu
