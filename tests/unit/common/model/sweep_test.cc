// Points of a sweep: each with each, the last variable fastest.
#include "common/model/sweep.h"

#include <gtest/gtest.h>

#include <set>

namespace devrun {
namespace {

const std::vector<SweepVariable> kTwo{{"lr", {"0.1", "0.2"}}, {"seed", {"1", "2", "3"}}};

TEST(Sweep, TheLastVariableChangesFastest) {
  EXPECT_EQ(sweep_points(kTwo, 100), 6u);
  EXPECT_EQ(sweep_point_text(kTwo, 0), "lr=0.1 seed=1");
  EXPECT_EQ(sweep_point_text(kTwo, 1), "lr=0.1 seed=2");
  EXPECT_EQ(sweep_point_text(kTwo, 5), "lr=0.2 seed=3");
  std::set<std::string> all;
  for (uint64_t i = 0; i < 6; ++i) all.insert(sweep_point_text(kTwo, i));
  EXPECT_EQ(all.size(), 6u);
}

TEST(Sweep, TooManyOrNoValuesAreNoSweep) {
  EXPECT_EQ(sweep_points(kTwo, 5), kNoPoints);
  EXPECT_EQ(sweep_points({{"x", {}}}, 5), kNoPoints);
  EXPECT_EQ(sweep_points({}, 5), 1u);
  const std::vector<std::string> many(100'000, "v");
  const std::vector<SweepVariable> huge(16, SweepVariable{"x", many});
  EXPECT_EQ(sweep_points(huge, 100'000), kNoPoints);
}

}  // namespace
}  // namespace devrun
