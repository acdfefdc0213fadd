// Sizes and spans: what is accepted, what is refused, and how they read.
#include "common/base/units.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

TEST(ParseSize, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*parse_size("0"), 0);
  EXPECT_EQ(*parse_size("512"), 512);
  EXPECT_EQ(*parse_size("16G"), int64_t{16} << 30);
  EXPECT_EQ(*parse_size("16GB"), int64_t{16} << 30);
  EXPECT_EQ(*parse_size("16GiB"), int64_t{16} << 30);
  EXPECT_EQ(*parse_size("1.5k"), 1536);
}

TEST(ParseSize, RefusesTheRestAndSaysWhatItExpected) {
  for (const char* text : {"", "G", "-1", "1X", "1GG", "0.3", "1e400", "99999999P", " 1", "1 G"}) {
    const auto parsed = parse_size(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("expected"), std::string::npos) << text;
  }
}

TEST(ParseDuration, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_duration("90")->us, 90'000'000);
  EXPECT_EQ(parse_duration("15m")->us, 900'000'000);
  EXPECT_EQ(parse_duration("1d12h")->us, int64_t{36} * 3'600'000'000);
  EXPECT_EQ(parse_duration("250ms")->us, 250'000);
}

TEST(ParseDuration, RefusesTheRest) {
  for (const char* text : {"", "m", "-5", "1h30", "5 m", "1y"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(FormatSize, IsShort) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1.0 KB");
  EXPECT_EQ(format_size(1288490189), "1.2 GB");
  EXPECT_EQ(format_size(int64_t{57} << 20), "57 MB");
}

TEST(FormatDuration, IsShort) {
  EXPECT_EQ(format_duration({42'000}), "42ms");
  EXPECT_EQ(format_duration({3'140'000}), "3.1s");
  EXPECT_EQ(format_duration(seconds(125)), "2m05s");
  EXPECT_EQ(format_duration(seconds(3780)), "1h03m");
}

}  // namespace
}  // namespace devrun
