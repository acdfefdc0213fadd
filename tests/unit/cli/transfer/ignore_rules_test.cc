// What is not uploaded, in git's language of patterns.
#include "cli/transfer/ignore_rules.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

bool out(std::string_view rules, std::string_view path, bool folder = false) {
  return IgnoreRules::parse(rules).leaves_out(path, folder);
}

TEST(IgnoreRules, NamesAnywhereAndPathsFromTheTop) {
  EXPECT_TRUE(out("*.o\n", "a/b/x.o"));
  EXPECT_FALSE(out("*.o\n", "a/b/x.oo"));
  EXPECT_TRUE(out("build/\n", "sub/build", true));
  EXPECT_FALSE(out("build/\n", "sub/build", false));
  EXPECT_TRUE(out("/build\n", "build", true));
  EXPECT_FALSE(out("/build\n", "sub/build", true));
  EXPECT_TRUE(out("a/*.txt\n", "a/x.txt"));
  EXPECT_FALSE(out("a/*.txt\n", "a/b/x.txt"));
  EXPECT_TRUE(out("a/**/x\n", "a/b/c/x"));
  EXPECT_TRUE(out("a/**/x\n", "a/x"));
  EXPECT_TRUE(out("**/logs\n", "logs", true));
  EXPECT_TRUE(out("logs/**\n", "logs/a/b"));
}

TEST(IgnoreRules, SetsCommentsAndTakingBack) {
  EXPECT_TRUE(out("x[0-9].log\n", "x7.log"));
  EXPECT_FALSE(out("x[!0-9].log\n", "x7.log"));
  EXPECT_TRUE(out("# no\n\n*.log\n!keep.log\n", "a.log"));
  EXPECT_FALSE(out("*.log\n!keep.log\n", "keep.log"));
  EXPECT_TRUE(out("a?c\n", "abc"));
  EXPECT_FALSE(out("a\\*c\n", "abc"));
}

TEST(IgnoreRules, GitIsAlwaysLeftOut) {
  EXPECT_TRUE(out("", ".git", true));
  EXPECT_TRUE(out("", "sub/.git", true));
  EXPECT_FALSE(out("", ".gitignore"));
}

TEST(IgnoreRules, HostilePatternsTakeNoTime) {
  const std::string stars = std::string(200, '*') + "a*a*a*a*a*a*b";
  EXPECT_FALSE(out(stars + "\n", std::string(4000, 'a')));
  out("[[[[[\n[\n\\\n", "x");
}

}  // namespace
}  // namespace devrun::cli
