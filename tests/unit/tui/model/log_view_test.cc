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

TEST(LogView, TextsBreakBetweenWords) {
  const auto rows = [](std::string_view text, size_t columns) {
    std::string out;
    while (!text.empty()) out += std::string(take_words(text, columns)) + "|";
    return out;
  };
  EXPECT_EQ(rows("it will not start until one is added", 16),
            "it will not|start until one|is added|");
  EXPECT_EQ(rows("sixteen-columns- fit", 16), "sixteen-columns-|fit|");
  EXPECT_EQ(rows("a /path/that/is/too/long", 10), "a /path/th|at/is/too/|long|");
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

TEST(LogView, ABarThatMovesDownMovesNothingElse) {
  LogView log;
  append(log, record(1, "first\n") + record(2, "\r1%"));
  for (int i = 0; i < 50; ++i) append(log, record(1, "line " + std::to_string(i) + "\n"));
  log.follow = false;
  for (const LogShown shown : {LogShown::kAll, LogShown::kOut}) {
    log.shown = shown;
    log.top = shown == LogShown::kAll ? 12 : 11;
    ASSERT_EQ(first_line(log), "line 10");
    append(log, record(2, "\r2%") + record(1, "more\n"));
    EXPECT_EQ(first_line(log), "line 10");
  }
  log.shown = LogShown::kErr;
  EXPECT_EQ(shown_count(log), 1u);
  EXPECT_EQ(first_line(log), "2%");
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
