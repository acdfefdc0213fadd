// The nearest right word is offered when it is near, and never otherwise.
#include "common/base/suggest.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

constexpr std::string_view kWords[] = {"volume", "snapshot", "logs", "ps", "cancel"};

TEST(NearestWord, FindsTypos) {
  EXPECT_EQ(nearest_word("volum", kWords), "volume");
  EXPECT_EQ(nearest_word("vloume", kWords), "volume");
  EXPECT_EQ(nearest_word("log", kWords), "logs");
}

TEST(NearestWord, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_word("train.py", kWords), std::nullopt);
  EXPECT_EQ(nearest_word("", kWords), std::nullopt);
}

TEST(EditDistance, CountsASwapAsOne) {
  EXPECT_EQ(edit_distance("ab", "ba"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace devrun
