// How an output is looked at: wrapped rows, and what stays in sight while more comes.
#include "tui/model/log_view.h"

#include <gtest/gtest.h>

#include "tests/unit/tui/model/output_record.h"

namespace devrun::tui {
namespace {

std::string first_line(const LogView& log) {
  return log.text.lines()[lines_on_screen(log, 10, 80).at(0)].text;
}

TEST(LogView, WideCharactersTakeTwoColumnsOfAWrappedRow) {
  LogView log;
  log.wrap = true;
  const LogLine wide{LogStream::kOut, "進捗進捗進捗"};
  EXPECT_EQ(rows_of(log, wide, 12), 1u);
  EXPECT_EQ(rows_of(log, wide, 6), 2u);
  EXPECT_EQ(rows_of(log, wide, 5), 3u) << "no half of a character at a row's end";
  EXPECT_EQ(rows_of(log, wide, 1), 6u) << "wider than the screen, and yet each has its row";
  EXPECT_EQ(rows_of(log, {LogStream::kOut, "e\u0301e\u0301e\u0301"}, 3), 1u);
  std::string_view rest = wide.text;
  EXPECT_EQ(take_row(rest, 5), "進捗");
  EXPECT_EQ(take_row(rest, 80), "進捗進捗");
  EXPECT_TRUE(rest.empty());
}

TEST(LogView, WhoHasScrolledBackSeesTheSameLinesAtTheBound) {
  LogView log;
  for (size_t i = 0; i < kLogLinesMax + 100; ++i) {
    append(log, record(i % 4 == 0 ? 2 : 1, "line " + std::to_string(i) + "\n"));
  }
  EXPECT_EQ(dropped_count(log), 100u);
  log.follow = false;
  log.top = 900;
  ASSERT_EQ(first_line(log), "line 1000");
  for (size_t i = 0; i < kLogLinesReadMax; ++i) append(log, record(1, "more\n"));
  EXPECT_EQ(first_line(log), "line 1000");
  EXPECT_EQ(dropped_count(log), 100u) << "nothing goes while somebody reads";
  for (int i = 0; i < 400; ++i) append(log, record(1, "more\n"));
  EXPECT_EQ(first_line(log), "line 1000");
  EXPECT_EQ(log.top, 500u);
  for (int i = 0; i < 1000; ++i) append(log, record(1, "more\n"));
  EXPECT_EQ(first_line(log), "line 1500") << "the oldest that is there: line 1000 has gone";
  log.follow = true;
  append(log, record(1, "more\n"));
  EXPECT_EQ(log.text.lines().size(), kLogLinesMax);
}

TEST(LogView, ASearchShowsTheColumnsOfItsMatch) {
  LogView log;
  append(log,
         record(1, "first\n" + std::string(300, '.') + "Needle" + std::string(50, '.') + "\nx\n"));
  log.follow = false;
  log.search = "needle";
  ASSERT_TRUE(search_on(log, true, 1, 80));
  EXPECT_EQ(log.top, 1u);
  EXPECT_LE(log.left, 300u);
  EXPECT_GE(log.left + 80, 306u);
  log.search = "first";
  ASSERT_TRUE(search_on(log, false, 1, 80));
  EXPECT_EQ(log.left, 0u);
}

TEST(LogView, OfOneStreamItsOwnLinesCount) {
  LogView log;
  for (size_t i = 0; i < kLogLinesMax; ++i) {
    append(log, record(i % 4 == 0 ? 2 : 1, "line " + std::to_string(i) + "\n"));
  }
  log.shown = LogShown::kErr;
  log.follow = false;
  log.top = 500;
  ASSERT_EQ(first_line(log), "line 2000");
  for (size_t i = 0; i < kLogLinesReadMax + 400; ++i) append(log, record(1, "more\n"));
  EXPECT_EQ(dropped_count(log), 100u);
  EXPECT_EQ(first_line(log), "line 2000");
}

}  // namespace
}  // namespace devrun::tui
