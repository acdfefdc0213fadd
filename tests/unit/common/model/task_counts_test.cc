// The words for how far an array is.
#include "common/model/task_counts.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

TEST(TaskCounts, InWords) {
  EXPECT_EQ(tasks_text(39, {10, 2, 5, 1, {3}}, false),
            "10: 5 ok, 1 failed (39_3), 2 running, 2 waiting");
  EXPECT_EQ(tasks_text(39, {6, 0, 6, 0, {}}, true), "6: 6 ok");
  EXPECT_EQ(tasks_text(7, {9, 0, 1, 3, {0, 2}}, true),
            "9: 1 ok, 3 failed (7_0, 7_2, …), 5 not run");
}

}  // namespace
}  // namespace devrun
