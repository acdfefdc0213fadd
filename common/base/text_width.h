// How many columns of a terminal a text takes, and the characters that are shown of it. Pure.
//
// Terminals agree on single code points (code_point_width.cc) and not on what several of them make together: emoji with
// a selector, joiners, tones of skin, flags. So these are shown as their parts, which are as wide everywhere. What is
// invisible, or turns the direction of writing round, is left out.
#pragma once

#include <string>
#include <string_view>

namespace devrun {

// The next code point of `utf8`, not empty; bad bytes come out as U+FFFD, one each.
char32_t take_code_point(std::string_view& utf8);

void append_code_point(std::string& utf8, char32_t c);

// 0 (combining), 1 or 2 (East Asian wide, emoji).
int width_of(char32_t c);

// What is drawn in one place: a character and what combines with it, four at most. Control characters are `·`.
struct Glyph {
  std::string text;
  int width = 0;  // 0, of an empty text: nothing is shown
};
Glyph take_glyph(std::string_view& utf8);

// Columns of all its glyphs.
int width_of(std::string_view utf8);

}  // namespace devrun
