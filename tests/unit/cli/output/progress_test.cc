#include "cli/output/progress.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

constexpr int64_t kGb = int64_t{1} << 30;

TEST(ProgressBar, SaysHowMuchIsDone) {
  EXPECT_EQ(progress_bar("copying", 1, 4, false, 50),
            "copying [######--------------------]  25 %, 1 of 4");
  EXPECT_EQ(progress_bar("sending", kGb, 2 * kGb, true, 60),
            "sending [#############-------------]  50 %, 1.0 GB of 2.0 GB");
}

TEST(ProgressBar, IsFullOnlyAtTheEnd) {
  EXPECT_NE(progress_bar("x", 999, 1000, false, 80).find(" 99 %"), std::string::npos);
  EXPECT_NE(progress_bar("x", 1000, 1000, false, 80).find("#] 100 %"), std::string::npos);
  // A count that was made before may be short.
  EXPECT_NE(progress_bar("x", 1200, 1000, false, 80).find("] 100 %, 1000 of 1000"),
            std::string::npos);
}

TEST(ProgressBar, NeverLeavesItsColumns) {
  for (int columns = 40; columns < 200; ++columns) {
    EXPECT_LE(progress_bar("sending", kGb, 2 * kGb, true, columns).size(),
              static_cast<size_t>(columns));
  }
  EXPECT_EQ(progress_bar("sending", kGb, 2 * kGb, true, 30), "sending  50 %, 1.0 GB of 2.0 GB");
}

}  // namespace
}  // namespace devrun::cli
