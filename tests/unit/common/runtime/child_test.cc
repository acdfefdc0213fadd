// What is said of a program that failed.
#include "common/runtime/child.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

std::string words_of(const std::string& script) {
  const Status status = run_checked({"sh", "-c", script});
  return status ? "" : status.error().message;
}

TEST(ChildTest, AFailedProgramsOwnComplaintIsTold) {
  EXPECT_EQ(words_of("echo 'sh: no room' >&2; echo a; echo b; exit 3"),
            "sh failed with status 3: sh: no room");
  EXPECT_EQ(words_of("echo 'sh: one'; echo 'sh: two'; echo b; exit 3"),
            "sh failed with status 3: sh: two");
}

TEST(ChildTest, OrElseItsLastLine) {
  EXPECT_EQ(words_of("echo a; echo shows; exit 1"), "sh failed with status 1: shows");
  EXPECT_EQ(words_of("exit 1"), "sh failed with status 1: ");
  EXPECT_EQ(words_of("exit 0"), "");
}

}  // namespace
}  // namespace devrun
