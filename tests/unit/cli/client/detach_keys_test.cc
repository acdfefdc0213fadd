#include "cli/client/detach_keys.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

TEST(DetachKeys, Written) {
  struct Case {
    std::string_view text;
    std::string bytes;
  };
  const Case cases[] = {{"ctrl-\\,d",
                         "\x1c"
                         "d"},
                        {"ctrl-p,ctrl-q", "\x10\x11"},
                        {"ctrl-A", "\x01"},
                        {"a", "a"},
                        {"~,.", "~."},
                        {"ctrl-@", std::string(1, '\0')},
                        {"", ""},
                        {"ctrl-[", "\x1b"}};
  for (const Case& one : cases) {
    const auto parsed = parse_detach_keys(one.text);
    ASSERT_TRUE(parsed) << one.text;
    EXPECT_EQ(*parsed, one.bytes) << one.text;
  }
  for (const std::string_view text :
       {"ctrl-", "ctrl-1", "ctrl-pp", "ab", "a,,b", "a,b,c,d,e,f,g,h,i"}) {
    EXPECT_FALSE(parse_detach_keys(text)) << text;
  }
}

struct Typing {
  std::string sequence;
  std::vector<std::string> typed;  // in pieces
  std::string bytes;
  bool detached;
};

TEST(DetachKeys, Matched) {
  const Typing cases[] = {
      {"\x1c"
       "d",
       {"hello\r"},
       "hello\r",
       false},
      {"\x1c"
       "d",
       {"\x1c"
        "d"},
       "",
       true},
      {"\x1c"
       "d",
       {"\x1c", "d"},
       "",
       true},
      {"\x1c"
       "d",
       {"ab\x1c", "d", "lost"},
       "ab",
       true},
      {"\x1c"
       "d",
       {"\x1c", "x"},
       "\x1cx",
       false},
      {"\x1c"
       "d",
       {"\x1c\x1c", "d"},
       "\x1c",
       true},
      {"\x1c"
       "d",
       {"\x1c"},
       "",
       false},  // held back
      {"d", {"xd"}, "x", true},
      {"aab", {"aaab"}, "a", true},
      {"aab", {"aa", "c"}, "aac", false},
      {"abab", {"ababx"}, "", true},
      {"ababc", {"abababc"}, "ab", true},
      {"",
       {"\x1c"
        "d"},
       "\x1c"
       "d",
       false},
  };
  for (const Typing& one : cases) {
    DetachMatcher matcher(one.sequence);
    std::string bytes;
    bool detached = false;
    for (const std::string& piece : one.typed) {
      if (detached) break;
      const auto typed = matcher.feed(piece);
      bytes += typed.bytes;
      detached = typed.detached;
    }
    EXPECT_EQ(bytes, one.bytes) << one.sequence;
    EXPECT_EQ(detached, one.detached) << one.sequence;
  }
}

}  // namespace
}  // namespace devrun::cli
