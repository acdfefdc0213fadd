// AMD's GPUs from made folders of sysfs, and what the probe says of a round.
#include "agent/gpu_probe/amd.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace devrun::gpu_probe {
namespace {

namespace fs = std::filesystem;

class Amd : public ::testing::Test {
 protected:
  Amd() {
    char name[] = "/tmp/devrun-amd-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~Amd() override { fs::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void gpu(int node, int minor, const std::string& links) {
    const std::string at = "sys/class/kfd/kfd/topology/nodes/" + std::to_string(node);
    put(at + "/gpu_id", std::to_string(1000 + node) + "\n");
    put(at + "/properties", "simd_count 304\ndrm_render_minor " + std::to_string(minor) +
                                "\nlocation_id 22272\ndomain 0\ndevice_id 29857\nunique_id " +
                                std::to_string(0xabc0 + node) + "\n");
    put(at + "/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 206141652992\n");
    put(at + "/io_links/0/properties", links);
    const std::string own = "sys/class/drm/renderD" + std::to_string(minor) + "/device";
    put(own + "/product_name", "AMD Instinct MI300X\n");
    put(own + "/gpu_busy_percent", "71\n");
    put(own + "/mem_info_vram_used", "1073741824\n");
    put(own + "/numa_node", "1\n");
    put(own + "/hwmon/hwmon3/temp1_input", "48000\n");
    put(own + "/hwmon/hwmon3/power1_average", "350000000\n");
    put(own + "/ras/umc_err_count", "ue: 3\nce: 9\n");
    put(own + "/ras/gfx_err_count", "ue: 1\nce: 0\n");
  }

  fs::path root_;
};

TEST_F(Amd, WhatTheKernelTells) {
  put("sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n");  // the CPU
  put("sys/module/amdgpu/version", "6.7.8\n");
  gpu(2, 128, "type 2\nnode_from 2\nnode_to 0\n");
  gpu(10, 129, "type 11\nnode_from 10\nnode_to 2\n");
  put("sys/class/kfd/kfd/proc/" + std::to_string(::getpid()) + "/vram_1002", "4096\n");
  Round round;
  ASSERT_TRUE(look_at_amd(root_.string(), round));
  EXPECT_EQ(round.drivers, (std::vector<std::string>{"AMD amdgpu 6.7.8"}));
  ASSERT_EQ(round.devices.size(), 2u);
  const Device& first = round.devices[0];
  EXPECT_EQ(first.name, "AMD Instinct MI300X");
  EXPECT_EQ(first.minor, 128u);
  EXPECT_EQ(first.uuid, "GPU-000000000000abc2");
  EXPECT_EQ(first.bus, "0000:57:00.0");
  EXPECT_EQ(first.memory_bytes, 206141652992u);
  EXPECT_EQ(first.used_bytes, 1073741824u);
  EXPECT_EQ(first.busy_percent, 71);
  EXPECT_EQ(first.temperature_c, 48u);
  EXPECT_EQ(first.power_mw, 350000u);
  EXPECT_EQ(first.uncorrected_errors, 4u);
  EXPECT_EQ(first.numa, 1);
  EXPECT_EQ(first.link, 1u);
  ASSERT_EQ(first.processes.size(), 1u);
  EXPECT_EQ(first.processes[0].memory_bytes, 4096u);
  EXPECT_FALSE(first.processes[0].program.empty());
  EXPECT_EQ(round.devices[1].index, 1u);
  EXPECT_EQ(round.devices[1].link, 1u);  // joined by XGMI
  EXPECT_TRUE(round.devices[1].processes.empty());
  const std::string line = to_json(round);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find("\"maker\":\"AMD\""), std::string::npos);
}

TEST_F(Amd, UseThatIsNotToldIsNotZero) {
  gpu(2, 128, "type 2\nnode_from 2\nnode_to 0\n");
  fs::remove(root_ / "sys/class/drm/renderD128/device/gpu_busy_percent");
  Round round;
  ASSERT_TRUE(look_at_amd(root_.string(), round));
  EXPECT_EQ(round.devices[0].busy_percent, -1);
  EXPECT_EQ(to_json(round).find("busy"), std::string::npos);
}

TEST_F(Amd, NoneWithoutItsDriver) {
  Round round;
  EXPECT_FALSE(look_at_amd(root_.string(), round));
  EXPECT_EQ(to_json(round), R"({"drivers":[],"gpus":[]})");
}

TEST(Told, OfAMissingOneOnlyThatAndWhichItIs) {
  Round round;
  Device& lost = round.devices.emplace_back();
  lost.maker = "NVIDIA";
  lost.index = 3;
  lost.missing = "\xff lost";
  lost.uuid = "GPU-x";
  EXPECT_EQ(to_json(round),
            "{\"drivers\":[],\"gpus\":[{\"index\":3,\"maker\":\"NVIDIA\",\"missing\":"
            "\"\xEF\xBF\xBD lost\","
            "\"uuid\":\"GPU-x\"}]}");
}

}  // namespace
}  // namespace devrun::gpu_probe
