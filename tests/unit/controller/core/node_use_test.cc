// What of a node is in use, also where its GPUs are cut into slices while a job has them.
#include "controller/core/node_use.h"

#include <gtest/gtest.h>

namespace devrun::controller {
namespace {

Gpu whole(uint32_t index) {
  Gpu out;
  out.index = index;
  return out;
}

Gpu slice(uint32_t index, uint32_t of) {
  Gpu out = whole(index);
  out.slice = "1g.10gb";
  out.slice_of = of;
  return out;
}

TEST(NodeUse, AGpuThatIsCutOrMadeWholeUnderAJobIsHeldAsWhatItIsNow) {
  Node node;
  Resources need;
  need.gpus = 1;
  add_use(node, need, {0});
  EXPECT_TRUE(is_held(node, whole(0)));
  EXPECT_TRUE(is_held(node, slice(100, 0)));
  EXPECT_TRUE(is_held(node, slice(101, 0)));
  EXPECT_FALSE(is_held(node, slice(110, 1)));
  EXPECT_FALSE(is_held(node, whole(1)));
  drop_use(node, need, {0});
  add_use(node, need, {111});
  EXPECT_TRUE(is_held(node, whole(1)));
  EXPECT_FALSE(is_held(node, slice(110, 1))) << "its neighbour";
  EXPECT_FALSE(is_held(node, whole(0)));
}

}  // namespace
}  // namespace devrun::controller
