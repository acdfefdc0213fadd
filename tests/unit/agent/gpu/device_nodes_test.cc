// Device nodes that are missing after a boot, and who makes them: a stub plays nvidia-modprobe, in a root of its own.
#include "agent/gpu/device_nodes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace devrun::gpu {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::vector<std::string>>;

class NodesOfGpus : public ::testing::Test {
 protected:
  NodesOfGpus() {
    char name[] = "/tmp/devrun-nodes-XXXXXX";
    root_ = ::mkdtemp(name);
    for (const char* folder : {"dev/nvidia-caps", "usr/bin", "bin", "proc/driver/nvidia-caps"}) {
      fs::create_directories(root_ / folder);
    }
    std::ofstream(root_ / "proc/driver/nvidia-caps/mig-minors")
        << "gpu4/gi2/access 21\ngpu4/gi2/ci0/access 22\n";
    slice_.gpu.slice = "1g.10gb";
    slice_.minor = 4;
    slice_.gpu_instance = 2;
  }
  ~NodesOfGpus() override { fs::remove_all(root_); }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "making device nodes needs root";
  }
  void node(const std::string& name) {
    const std::string path = (root_ / "dev" / name).string();
    ASSERT_EQ(::mknod(path.c_str(), S_IFCHR | 0666, makedev(195, 254)), 0);
  }
  void stub(const std::string& script) {
    fs::copy_file("/bin/busybox", root_ / "bin/busybox", fs::copy_options::skip_existing);
    std::ofstream(root_ / "usr/bin/nvidia-modprobe")
        << "#!/bin/busybox sh\necho \"$*\" >> /called\n"
        << script;
    fs::permissions(root_ / "usr/bin/nvidia-modprobe", fs::perms::all);
  }
  std::string called() {
    std::ifstream file(root_ / "called");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string lacks(DeviceNodes& nodes, FoundGpu found) {
    std::vector<FoundGpu> gpus{std::move(found)};
    nodes.see_to(gpus);
    return gpus[0].facts.lacks;
  }

  fs::path root_;
  FoundGpu slice_;
};

TEST_F(NodesOfGpus, WhatIsMissingIsAskedFor) {
  EXPECT_EQ(words_for_nodes(root_.string(), {FoundGpu{}}),
            (Words{{"/usr/bin/nvidia-modprobe", "-u", "-c=0"}}));
  FoundGpu amd;
  amd.maker = Maker::kAmd;
  FoundGpu lost;
  lost.facts.missing = "GPU is lost";
  EXPECT_TRUE(words_for_nodes(root_.string(), {amd, lost}).empty());
  node("nvidia-uvm");
  EXPECT_TRUE(words_for_nodes(root_.string(), {FoundGpu{}}).empty());
  const std::string caps = "/proc/driver/nvidia/capabilities/gpu4/mig/gi2";
  EXPECT_EQ(
      words_for_nodes(root_.string(), {slice_}),
      (Words{{"/usr/bin/nvidia-modprobe", "-f", caps + "/access", "-f", caps + "/ci0/access"}}));
  node("nvidia-caps/nvidia-cap21");
  node("nvidia-caps/nvidia-cap22");
  EXPECT_TRUE(words_for_nodes(root_.string(), {slice_}).empty());
}

TEST_F(NodesOfGpus, TheProgramMakesThem) {
  stub("exec /bin/busybox mknod -m 666 /dev/nvidia-uvm c 195 254\n");
  DeviceNodes nodes(root_.string());
  EXPECT_EQ(lacks(nodes, {}), "");
  EXPECT_EQ(called(), "-u -c=0\n");
  EXPECT_EQ(lacks(nodes, {}), "");
  EXPECT_EQ(called(), "-u -c=0\n") << "once is enough";
}

TEST_F(NodesOfGpus, WhereNobodyMakesThemThatIsSaidOfEachGpu) {
  DeviceNodes nodes(root_.string());
  EXPECT_EQ(lacks(nodes, {}),
            "no CUDA program can use it: /dev/nvidia-uvm is missing, and /usr/bin/nvidia-modprobe, "
            "which makes it, is not installed");
  FoundGpu amd;
  amd.maker = Maker::kAmd;
  EXPECT_EQ(lacks(nodes, amd), "");
  stub("echo the module is not there; exit 1\n");
  EXPECT_NE(lacks(nodes, {}).find("failed with status 1: the module is not there"),
            std::string::npos);
  EXPECT_EQ(called(), "-u -c=0\n");
  lacks(nodes, {});
  EXPECT_EQ(called(), "-u -c=0\n") << "not again at once";
}

}  // namespace
}  // namespace devrun::gpu
