#include "common/model/gpu_names.h"

#include <gtest/gtest.h>

#include "common/model/node.h"

namespace devrun {
namespace {

TEST(GpuNames, TypesByTheDriversNames) {
  EXPECT_EQ(gpu_type_of("NVIDIA H100 80GB HBM3"), "H100");
  EXPECT_EQ(gpu_type_of("NVIDIA A100-SXM4-40GB"), "A100");
  EXPECT_EQ(gpu_type_of("NVIDIA A100 80GB PCIe"), "A100-80GB");
  EXPECT_EQ(gpu_type_of("NVIDIA L40S"), "L40S");
  EXPECT_EQ(gpu_type_of("Tesla T4"), "T4");
  EXPECT_EQ(gpu_type_of("Tesla V100-SXM2-16GB"), "V100");
  EXPECT_EQ(gpu_type_of("NVIDIA GeForce RTX 3090"), "RTX3090");
  EXPECT_EQ(gpu_type_of("NVIDIA GeForce RTX 4090 D"), "RTX4090");
  EXPECT_EQ(gpu_type_of("NVIDIA X999 Ultra"), "X999-Ultra");
  EXPECT_EQ(gpu_type_of("AMD Instinct MI300X OAM"), "MI300X");
  EXPECT_EQ(gpu_type_of("AMD Instinct MI210"), "MI210");
  EXPECT_EQ(gpu_type_of("NVIDIA RTX A6000"), "A6000");
  EXPECT_EQ(gpu_type_of("NVIDIA RTX A5000"), "RTXA5000");
  EXPECT_EQ(gpu_type_of("NVIDIA RTX 6000 Ada Generation"), "RTX6000-Ada");
  EXPECT_EQ(gpu_type_of("NVIDIA RTX PRO 6000 Blackwell Server Edition"), "RTXPRO6000");
  EXPECT_EQ(gpu_type_of("Quadro RTX 6000"), "RTX6000");
  EXPECT_EQ(gpu_type_of("Tesla V100-SXM2-32GB"), "V100-32GB");
  EXPECT_EQ(gpu_type_of(""), "");
}

TEST(GpuNames, OfATypeWhateverItsCase) {
  NodeHello node;
  node.gpus = {{3, "A100", "", 0}, {1, "H100", "", 0}, {0, "A100", "", 0}};
  const auto found = gpus_of_type(node, "a100");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].index, 0u);
  EXPECT_EQ(found[1].index, 3u);
  EXPECT_EQ(gpus_of_type(node, "").size(), 3u);
  // An agent that names none.
  NodeHello old;
  old.total.gpus = 2;
  old.total.gpu_type = "T4";
  EXPECT_EQ(gpus_of_type(old, "T4")[1].index, 1u);
}

TEST(GpuNames, AGpuOf80GHas80GThoughItTellsLess) {
  NodeHello node;
  node.gpus = {{0, "H100", "", int64_t{81'559} << 20}, {1, "A100", "", int64_t{40'960} << 20}};
  EXPECT_EQ(gpus_of_type(node, "", int64_t{80} << 30).size(), 1u);
  EXPECT_EQ(gpus_of_type(node, "", int64_t{94} << 30).size(), 0u);
}

}  // namespace
}  // namespace devrun
