// Outputs that are longer than what is held of them: older pages are read when somebody scrolls or searches up to them.
#include "tui/model/log_pages.h"

#include <gtest/gtest.h>

#include "tests/unit/tui/model/output_record.h"
#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/model/keys.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

constexpr size_t kLines = 400'000;

// As blocks of a buffer come: lines begin and end anywhere in them.
std::string long_output() {
  std::string text, out;
  for (size_t i = 1; i <= kLines; ++i) {
    text += "line " + std::to_string(i) + (i == 7 || i == 390'000 ? " needle" : "") + "\n";
    if (text.size() < 8192) continue;
    out += record(1, text.substr(0, 8192));
    text.erase(0, 8192);
    if (i % 3 == 0) out += record(2, "\rbar " + std::to_string(i));
  }
  return out + record(1, text);
}

// The monitor with the output of job 42 open, and who reads it for it.
class Pages : public testing::Test {
 protected:
  void SetUp() override {
    update(model_, Resized{24, 80});
    update(model_, sample_cluster());
    press("l");
  }
  void press(std::string_view keys) {
    for (const char c : keys) take(tui::press(model_, key(static_cast<char32_t>(c))));
  }
  void take(const std::vector<Command>& commands) {
    for (const Command& command : commands) {
      if (const auto* open = std::get_if<OpenLog>(&command)) opened_ = *open;
    }
  }
  // All that was asked for, in pieces.
  void read() {
    while (opened_) {
      const OpenLog wish = *std::exchange(opened_, std::nullopt);
      ++reads_;
      const uint64_t end =
          wish.upto == 0 ? log_.size() : std::min<uint64_t>(wish.upto, log_.size());
      most_ = std::max(most_, end - wish.from);
      for (uint64_t at = wish.from; at < end && !opened_;) {
        const uint64_t size = std::min<uint64_t>(60'000, end - at);
        const bool last = wish.upto != 0 && at + size == end;
        take(update(model_,
                    LogBytes{model_.log.of, log_.substr(at, size), false, wish.reading, last}));
        at += size;
      }
    }
  }
  std::string first_row() {
    const std::string text = draw(model_).text();
    const size_t begin = text.find('\n') + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
  std::string place() {
    const std::string text = draw(model_).text();
    return text.substr(text.rfind('\n', text.size() - 2) + 1);
  }

  const std::string log_ = long_output();
  Model model_;
  std::optional<OpenLog> opened_;
  int reads_ = 0;
  uint64_t most_ = 0;
};

TEST_F(Pages, TheFirstLineIsReadWhenSomebodyGoesThere) {
  read();
  EXPECT_TRUE(model_.log.follow);
  ASSERT_GT(dropped_count(model_.log), 250'000u);
  press("g");
  EXPECT_NE(place().find("reading line 1 of 400"), std::string::npos) << place();
  most_ = 0;
  read();
  EXPECT_EQ(first_row(), "line 1");
  EXPECT_NE(place().find("line 1 of 400"), std::string::npos) << place();
  EXPECT_LT(most_, log_.size() / 3) << "not all of it";
  press("jj");
  EXPECT_EQ(first_row(), "line 3");
  press("G");
  EXPECT_TRUE(opened_.has_value());
  read();
  EXPECT_TRUE(model_.log.follow);
  EXPECT_FALSE(model_.log.is_page);
  EXPECT_NE(draw(model_).text().find("line 400000\n"), std::string::npos) << draw(model_).text();
}

TEST_F(Pages, ScrollingGoesOnOverTheirBordersWithoutAGapOrARepetition) {
  read();
  press("t");  // stdout alone: the bar is always the last line of its page
  press("g");
  read();
  reads_ = 0;
  size_t expected = 1;
  const auto number = [&] { return std::stoul(first_row().substr(5)); };
  for (const bool down : {true, false}) {
    for (int i = 0; i < 8000; ++i) {
      press(down ? "\x06" : "\x02");
      if (!opened_) continue;
      read();
      ASSERT_LE(number(), kLines);
    }
    expected = number();
    if (down) {
      EXPECT_GT(expected, 160'000u);
    }
  }
  EXPECT_EQ(expected, 1u);
  EXPECT_GE(reads_, 4);
  // Line by line over a border.
  press("g");
  read();
  const size_t page_lines = shown_count(model_.log);
  model_.log.top = page_lines - 30;
  size_t line = number();
  for (int i = 0; i < 100; ++i) {
    press("j");
    read();
    ASSERT_EQ(number(), ++line);
  }
  for (int i = 0; i < 100; ++i) {
    press("k");
    read();
    ASSERT_EQ(number(), --line);
  }
}

TEST_F(Pages, ASearchGoesThroughAllOfThem) {
  read();
  press("/needle\r");
  read();
  EXPECT_EQ(first_row(), "line 390000 needle") << "the nearest one, which is here";
  press("N");
  EXPECT_NE(place().find("searching at line"), std::string::npos) << place();
  read();
  EXPECT_EQ(first_row(), "line 7 needle");
  press("N");
  EXPECT_EQ(model_.notice, "no earlier match");
  press("n");
  read();
  EXPECT_NE(draw(model_).text().find("line 390000 needle"), std::string::npos)
      << draw(model_).text();
  press("n");
  read();
  EXPECT_EQ(model_.notice, "no further match");
  const auto line = [&] { return dropped_count(model_.log) + first_on_screen(model_.log, 22, 80); };
  const size_t before = line();
  press("/nowhere\r");
  read();
  EXPECT_EQ(model_.notice, "no earlier match");
  EXPECT_EQ(line(), before) << "it is where it was";
}

TEST_F(Pages, AnyKeyEndsASearch) {
  read();
  press("/nowhere\r");
  ASSERT_TRUE(opened_);
  press("G");
  read();
  EXPECT_TRUE(model_.log.follow);
  EXPECT_EQ(model_.log.seeking, Seeking::kNone);
  EXPECT_TRUE(model_.notice.empty());
}

TEST_F(Pages, EscLeadsBackToWhereASearchBegan) {
  read();
  press("k");
  const std::string row = first_row();
  press("/nowhere\r\x1b");
  EXPECT_EQ(model_.screen, Screen::kLog);
  read();
  EXPECT_EQ(first_row(), row);
  press("\x1b");
  EXPECT_EQ(model_.screen, Screen::kJobs);
}

TEST_F(Pages, WhatComesTooLateOfAnotherReadingIsNotTaken) {
  read();
  press("g");
  update(model_, LogBytes{model_.log.of, record(1, "late\n"), false, 0});
  read();
  EXPECT_EQ(first_row(), "line 1");
}

TEST_F(Pages, OfOneStreamItsOwnLinesCount) {
  read();
  press("t");
  press("g");
  read();
  EXPECT_EQ(model_.log.shown, LogShown::kOut);
  EXPECT_EQ(first_row(), "line 1");
  EXPECT_NE(place().find("stdout, line 1 of 400000"), std::string::npos) << place();
}

TEST(PageOf, ALineLiesInItsPageWhereItIsWanted) {
  std::vector<LogMark> marks{LogMark{}};
  for (size_t i = 1; i <= 50; ++i) {
    marks.push_back({i * 1'000'000, 100, 0, {0, i * 10'000, 0, 0}, {}});
  }
  const auto around = page_of(marks, LogShown::kAll, 250'500, PageSide::kMiddle);
  EXPECT_EQ(around.mark, 21u);
  EXPECT_EQ(around.upto, marks[30].offset + 100);
  EXPECT_EQ(page_of(marks, LogShown::kAll, 250'500, PageSide::kBegin).mark, 25u);
  const auto before = page_of(marks, LogShown::kAll, 250'500, PageSide::kEnd);
  EXPECT_EQ(before.mark, 17u);
  EXPECT_EQ(before.upto, marks[26].offset + 100);
  EXPECT_EQ(page_of(marks, LogShown::kAll, 0, PageSide::kEnd).mark, 0u);
  EXPECT_EQ(page_of(marks, LogShown::kAll, 499'000, PageSide::kMiddle).upto, 0u);
  EXPECT_EQ(last_page(marks).mark, 42u);
  EXPECT_EQ(page_of(marks, LogShown::kErr, 5, PageSide::kMiddle).mark, 46u)
      << "of a stream that has written nothing yet";
}

}  // namespace
}  // namespace devrun::tui
