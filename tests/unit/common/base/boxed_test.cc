// A boxed value is a value: copies are apart, and equality is that of what is in the box.
#include "common/base/boxed.h"

#include <gtest/gtest.h>

#include <string>

namespace devrun {
namespace {

TEST(Boxed, IsAnOptionalValue) {
  Boxed<std::string> none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.value_or("else"), "else");
  Boxed<std::string> one = std::string("one");
  Boxed<std::string> copy = one;
  EXPECT_TRUE(copy == one);
  *copy += "!";
  EXPECT_EQ(*one, "one");
  EXPECT_FALSE(copy == one);
  EXPECT_FALSE(none == one);
  copy = one;
  EXPECT_TRUE(copy == one);
  const Boxed<std::string>& itself = copy;
  copy = itself;
  EXPECT_EQ(copy.value_or(""), "one");
  one = std::nullopt;
  EXPECT_TRUE(one == none);
  const std::optional<std::string> out = copy;
  EXPECT_EQ(out, "one");
  EXPECT_TRUE(Boxed<std::string>(out) == copy);
}

}  // namespace
}  // namespace devrun
