// Names of attempts: written, read back, and refused when they are not names.
#include "common/model/ids.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

TEST(AttemptKey, ReadsBackWhatItWrites) {
  const AttemptKey keys[] = {
      {42, kNoTask, 0, 1}, {42, 3, 0, 1}, {42, kNoTask, 7, 1}, {42, 3, 1, 2}};
  const char* shown[] = {"42", "42_3", "42.7", "42_3.1#2"};
  for (size_t i = 0; i < std::size(keys); ++i) {
    EXPECT_EQ(to_string(keys[i]), shown[i]);
    EXPECT_EQ(*parse_attempt_key(shown[i]), keys[i]);
    EXPECT_EQ(*parse_folder_name(folder_name(keys[i])), keys[i]);
  }
}

TEST(AttemptKey, RefusesOtherText) {
  for (const char* text :
       {"", "0", "x", "4x", "42_", "42_-1", "42#0", "42.", "42 ", "-1", "42_-.0#1"}) {
    EXPECT_FALSE(parse_attempt_key(text)) << text;
  }
  for (const char* text : {"42", "42_3", "42_-.0#1x", "42_-.00#1"}) {
    EXPECT_FALSE(parse_folder_name(text)) << text;
  }
}

}  // namespace
}  // namespace devrun
