// Widths of code points against those of the C library, and what is shown of several of them together.
#include "common/base/text_width.h"

#include <gtest/gtest.h>
#include <locale.h>
#include <wchar.h>

#include <vector>

namespace devrun {
namespace {

// As "glyph/width" each.
std::vector<std::string> glyphs(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const Glyph glyph = take_glyph(text);
    out.push_back(glyph.text + "/" + std::to_string(glyph.width));
  }
  return out;
}
using Texts = std::vector<std::string>;

TEST(TextWidth, EveryCodePointIsAsWideAsTheCLibraryHasIt) {
  const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) GTEST_SKIP() << "this root has no C.UTF-8";
  const locale_t before = ::uselocale(utf8);
  size_t known = 0;
  for (char32_t c = 0xa0; c < 0x110000; ++c) {
    const int expected = ::wcwidth(static_cast<wchar_t>(c));
    if (expected < 0) continue;
    ++known;
    ASSERT_EQ(width_of(c), expected) << std::hex << static_cast<uint32_t>(c);
  }
  ::uselocale(before);
  ::freelocale(utf8);
  EXPECT_GT(known, 200'000u);
}

TEST(TextWidth, WideCombiningAndDecomposed) {
  EXPECT_EQ(width_of("plain"), 5);
  EXPECT_EQ(width_of("李明"), 4);
  EXPECT_EQ(width_of("e\u0301"), 1) << "an accent of its own";
  EXPECT_EQ(width_of("\u1112\u1161\u11ab"), 2) << "one Hangul syllable of three parts";
  EXPECT_EQ(width_of("ที่นี่"), 2) << "Thai vowels and tones above";
  EXPECT_EQ(glyphs("e\u0301x"), (Texts{"e\u0301/1", "x/1"}));
  EXPECT_EQ(glyphs("\u0301x"), (Texts{"/0", "x/1"})) << "nothing to combine with";
}

TEST(TextWidth, WhatTerminalsDisagreeOnIsShownAsItsParts) {
  EXPECT_EQ(glyphs("❤\ufe0f"), (Texts{"❤/1"})) << "a selector";
  EXPECT_EQ(glyphs("👩\u200d🚀"), (Texts{"👩/2", "🚀/2"})) << "a joiner";
  EXPECT_EQ(glyphs("👍\U0001f3fd"), (Texts{"👍/2"})) << "a tone of skin";
  EXPECT_EQ(glyphs("🇩🇪"), (Texts{"D/1", "E/1"})) << "a flag";
  EXPECT_EQ(glyphs("a\u00ad\u00a0"), (Texts{"a/1", "-/1", "\u00a0/1"}));
  EXPECT_EQ(glyphs("a\u202eb"), (Texts{"a/1", "b/1"})) << "nothing turns round what follows";
}

TEST(TextWidth, CodePointsGoThereAndBack) {
  for (const char32_t c : {U'a', U'é', U'進', U'\x1f600', U'\x10ffff'}) {
    std::string bytes;
    append_code_point(bytes, c);
    std::string_view rest = bytes;
    EXPECT_EQ(take_code_point(rest), c);
    EXPECT_TRUE(rest.empty());
  }
}

TEST(TextWidth, CombiningMarksAreBounded) {
  std::string text = "a";
  for (int i = 0; i < 100; ++i) text += "\u0301";
  std::string_view rest = text;
  const Glyph glyph = take_glyph(rest);
  EXPECT_EQ(glyph.text.size(), 1u + 4 * 2);
  EXPECT_TRUE(rest.empty());
}

TEST(TextWidth, BadBytesAndControlCharactersTakeAColumnEach) {
  EXPECT_EQ(glyphs("\xff\xe6x\x1b\n"), (Texts{"�/1", "�/1", "x/1", "·/1", "·/1"}));
  EXPECT_EQ(width_of("\xc2\x85"), 1) << "a control character of two bytes";
}

}  // namespace
}  // namespace devrun
