#include "cli/client/screen_modes.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

TEST(ScreenModes, OnlyWhatIsOnIsSwitchedOff) {
  ScreenModes modes;
  modes.feed("plain \x1b[31mred\x1b[0m text\r\n");
  EXPECT_EQ(modes.undo(), "");
  modes.feed("\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b=\x1b[?1;1006h");
  EXPECT_EQ(modes.undo(), "\x1b[0m\x1b>\x1b[?25h\x1b[?1l\x1b[?1006l\x1b[?2004l\x1b[?1049l");
  modes.feed("\x1b[?1049l\x1b[?2004l\x1b[?25h\x1b>\x1b[?1l\x1b[?1006l");
  EXPECT_EQ(modes.undo(), "");
}

TEST(ScreenModes, SequencesMayBeCutAnywhere) {
  ScreenModes modes;
  for (const char c : std::string("x\x1b[?1049hy\x1b[4h\x1b]0;a title?25l\x07"))
    modes.feed({&c, 1});
  EXPECT_EQ(modes.undo(), "\x1b[0m\x1b[?1049l");
  modes.feed("\x1b");
  modes.feed("c");
  EXPECT_EQ(modes.undo(), "");
}

}  // namespace
}  // namespace devrun::cli
