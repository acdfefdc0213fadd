#include "common/base/utf8.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

TEST(Utf8, GoodTextIsItself) {
  for (const char* text :
       {"", "plain", "é", "€", "\xf0\x9f\x9a\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(in_utf8(text), text);
  }
}

TEST(Utf8, OtherBytesAreShownAsNumbers) {
  EXPECT_EQ(in_utf8("a\xff\xfe/b"), "a\\xff\\xfe/b");
  EXPECT_EQ(in_utf8("\xe2\x82"), "\\xe2\\x82");                    // cut short
  EXPECT_EQ(in_utf8("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(in_utf8("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(in_utf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(in_utf8("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above the last
  EXPECT_FALSE(is_utf8("\x80"));
}

}  // namespace
}  // namespace devrun
