// Sessions where no container is needed; with containers: life_test.cc and tests/e2e/test_shell.py.
#include "agent/sandbox/session.h"

#include <gtest/gtest.h>

namespace devrun::sandbox {
namespace {

using namespace std::string_literals;

TEST(SessionTest, ItsVariablesWinOverTheJobs) {
  EXPECT_EQ(laid_over("A=1\0PATH=/bin\0"s, ""), "A=1\0PATH=/bin\0"s);
  EXPECT_EQ(laid_over("", "A=2\0"s), "A=2\0"s);
  EXPECT_EQ(laid_over("A=1\0AB=3\0"s, "A=2\0C=\0"s), "AB=3\0A=2\0C=\0"s);
}

TEST(SessionTest, NoneIsFoundWhereNoAttemptIs) {
  const AttemptKey key{42, kNoTask, 0, 1};
  const Places nowhere("/nonexistent", key);
  EXPECT_TRUE(find_sessions(nowhere, key)->empty());
  EXPECT_EQ(find_session(nowhere, key, "an-id-of-a-session").error().code, Code::kNotFound);
  EXPECT_TRUE(end_sessions(nowhere));
}

}  // namespace
}  // namespace devrun::sandbox
