#include "cli/commands/dev_container.h"

#include <gtest/gtest.h>

#include "common/model/labels.h"

namespace devrun::cli {
namespace {

JobRecord living(const ContainerWish& wish) {
  JobRecord out;
  out.spec = container_of("ada", wish)->spec;
  AttemptRecord attempt;
  attempt.node = "node7";
  out.attempts.push_back(attempt);
  return out;
}

TEST(DevContainer, AsksForANodeOnlyForWhatTheStorageHostHasNot) {
  EXPECT_TRUE(container_of("ada")->spec.node_labels.empty());
  ContainerWish wish;
  wish.resources.memory_bytes = 1 << 30;
  EXPECT_TRUE(container_of("ada", wish)->spec.node_labels.empty());
  wish.pool = "a100";
  EXPECT_EQ(container_of("ada", wish)->spec.node_labels.at(kLiveLabel), kLiveValue);
  EXPECT_EQ(container_of("ada", {.on_node = true})->spec.node_labels.count(kLiveLabel), 1u);
  ContainerWish gpu;
  gpu.resources.gpus = 1;
  EXPECT_EQ(container_of("ada", gpu)->spec.node_labels.count(kLiveLabel), 1u);
}

TEST(DevContainer, WhoJoinsHearsWhatIsMissing) {
  ContainerWish has;
  has.resources.cpu_milli = 4000;
  has.resources.memory_bytes = int64_t{16} << 30;
  has.resources.gpus = 1;
  ContainerWish wish;
  EXPECT_FALSE(wish.says_something());
  EXPECT_EQ(missing_of(wish, living(has)), "");
  wish.resources.memory_bytes = int64_t{16} << 30;
  EXPECT_TRUE(wish.says_something());
  EXPECT_EQ(missing_of(wish, living(has)), "");
  wish.resources.gpus = 2;
  EXPECT_TRUE(
      missing_of(wish, living(has))
          .starts_with(
              "the dev container of volume ada runs already, on node7, with 4 cpu, 16 GB, 1 gpu"));
  EXPECT_EQ(missing_of({.on_node = true}, living(has)), "");
  EXPECT_EQ(missing_of({.on_node = true}, living({})),
            "the dev container of volume ada runs already, on node7");
  has = {};
  has.resources.memory_bytes = 64 << 20;
  EXPECT_EQ(missing_of({.on_node = true}, living(has)),
            "the dev container of volume ada runs already, on node7, with 64 MB of memory");
  has.resources.cpu_milli = 4000;
  EXPECT_NE(missing_of({.node_labels = {{"zone", "b"}}}, living(has)), "");
  EXPECT_NE(missing_of({.pool = "p"}, living(has)), "");
}

}  // namespace
}  // namespace devrun::cli
