// What a terminal sends and nobody knows is no key, in whatever pieces it comes; what is typed around it is.
#include "tui/term/sequences.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>

namespace devrun::tui {
namespace {

class SequencesTest : public testing::Test {
 protected:
  // Each character so long after the one before.
  void send(std::u32string_view text, int64_t apart_ms = 0) {
    for (const char32_t c : text) sequences_.take(c, now_ms_ += apart_ms);
  }
  void send_in_pieces(std::u32string_view text, int64_t apart_ms) {
    for (const char32_t c : text) {
      sequences_.take(c, now_ms_ += apart_ms);
      sequences_.nothing_more();
    }
  }
  // What came of it: keys as they are, E for Escape, <words> for a sequence.
  std::string keys() {
    sequences_.nothing_more();
    std::string out;
    while (const auto item = sequences_.next()) {
      if (const auto* c = std::get_if<char32_t>(&*item)) {
        out += *c == U'\x1b' ? 'E' : static_cast<char>(*c);
      } else if (const auto* sequence = std::get_if<Sequence>(&*item)) {
        out += "<" + sequence->words + ">";
      } else {
        out += "#";
      }
    }
    return out;
  }
  Sequences sequences_;
  int64_t now_ms_ = 1000;
};

TEST_F(SequencesTest, KeysAreKeys) {
  send(U"jk[2O]\r");
  EXPECT_EQ(keys(), "jk[2O]\r");
  send(U"\x1b");
  EXPECT_EQ(keys(), "E");
  send(U"\x1b\x1bx", 5);
  EXPECT_EQ(keys(), "EEx");
}

TEST_F(SequencesTest, AnUnknownSequenceIsNoKeyAtAll) {
  send(
      U"a\x1b[120;5u"
      U"b\x1b[<0;10;5Mc\x1b[<0;10;5md");
  EXPECT_EQ(keys(), "a<120;5u>b<<0;10;5M>c<<0;10;5m>d");
  send(U"a\x1b[M !!b\x1b[[Ac\x1bOxd\x1bO1;5Pe");
  EXPECT_EQ(keys(), "abcde");
  send(U"a\x1b]11;rgb:1/2/3\ab\x1bP>|xterm\x1b\\c\x1b_G;OK\x1b\\d");
  EXPECT_EQ(keys(), "abcd");
}

TEST_F(SequencesTest, OneInPiecesIsOne) {
  send_in_pieces(U"\x1b", 0);
  send_in_pieces(U"[120;5u", 40);
  send_in_pieces(U"q", 10);
  EXPECT_EQ(keys(), "E<120;5u>q") << "the Escape was given before more was there";
}

TEST_F(SequencesTest, AnEscapeAndAKeyLaterAreTwoKeys) {
  send_in_pieces(U"\x1b", 0);
  send_in_pieces(U"[", Sequences::kPieceMs + 1);
  EXPECT_EQ(keys(), "E[");
}

TEST_F(SequencesTest, OneThatDoesNotEndSwallowsNothingForEver) {
  send(U"\x1b[12");
  send(U"j", Sequences::kSilenceMs + 1);
  EXPECT_EQ(keys(), "j") << "after a silence";
  send(U"\x1b[" + std::u32string(Sequences::kControlMax, U'1') + U"j");
  EXPECT_EQ(keys(), "j") << "after as much as none has";
  send(U"\x1b]" + std::u32string(Sequences::kStringMax, U'1') + U"j");
  EXPECT_EQ(keys(), "j") << "nor does a string";
  send(U"\x1b[12\x03");
  EXPECT_EQ(keys(), "\x03") << "Ctrl-C is one wherever it comes";
  send(U"\x1b[12\x1b[3uj");
  EXPECT_EQ(keys(), "<3u>j") << "another one";
  send(U"\x1b[12");
  sequences_.take(KeyCode{5});
  send(U"j");
  EXPECT_EQ(keys(), "#j") << "what the library knows";
}

TEST_F(SequencesTest, AnySequencesInAnyPiecesLeaveWhatWasTypedAlone) {
  constexpr std::u32string_view kKnown[] = {
      U"\x1b[120;5u",    U"\x1b[<64;10;5M",   U"\x1b[M #$", U"\x1b[?1;2c",   U"\x1b[[B",
      U"\x1b]52;c;YQ\a", U"\x1bP1$r0m\x1b\\", U"\x1bO5Q",   U"\x1b[27;5;9~", U"\x1b_x\x1b\\"};
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string typed;
    for (int i = 0; i < 10; ++i) {
      if (random() % 2 == 0) {
        const char c = static_cast<char>('a' + random() % 26);
        typed += c;
        send(std::u32string(1, static_cast<char32_t>(c)), 60);
        continue;
      }
      for (const char32_t c : kKnown[random() % std::size(kKnown)]) {
        sequences_.take(c, now_ms_ += random() % 40);
        if (random() % 3 == 0) sequences_.nothing_more();
      }
    }
    std::string got;
    sequences_.nothing_more();
    while (const auto item = sequences_.next()) {
      const auto* c = std::get_if<char32_t>(&*item);
      if (c != nullptr && *c != U'\x1b') got += static_cast<char>(*c);
    }
    ASSERT_EQ(got, typed) << "round " << round;
  }
  // Anything at all: it ends, and a key after a silence is one.
  for (int round = 0; round < 2000; ++round) {
    constexpr std::u32string_view kOften = U"\x1b\x1b[]OPM_<;0129\\\a~u\x03 é";
    for (int i = 0; i < 40; ++i) sequences_.take(kOften[random() % kOften.size()], now_ms_ += 5);
    static_cast<void>(keys());
    send(U"j", Sequences::kSilenceMs + 1);
    ASSERT_EQ(keys(), "j") << "round " << round;
  }
}

}  // namespace
}  // namespace devrun::tui
