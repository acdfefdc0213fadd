// What stands around every screen: the marks of the title line, where one is, what was searched for.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

std::string line_of(const Model& model, int row) {
  std::string text = draw(model).text();
  for (int i = 0; i < row; ++i) text.erase(0, text.find('\n') + 1);
  return text.substr(0, text.find('\n'));
}
std::string bottom(const Model& model) {
  return line_of(model, model.rows - 1);
}

class Frame : public testing::Test {
 protected:
  void SetUp() override {
    update(model_, Resized{12, 80});
    update(model_, sample_cluster());
  }
  Model model_;
};

TEST_F(Frame, ReadOnlyIsSeenOnEveryScreen) {
  model_.read_only = true;
  for (const char* keys : {"", "\r", "1l", "2", "3", "4", "1e"}) {
    type(model_, keys);
    EXPECT_NE(line_of(model_, 0).find("read-only"), std::string::npos) << draw(model_).text();
  }
  model_.text.title = std::string(200, 'x');
  EXPECT_NE(line_of(model_, 0).find("…  read-only"), std::string::npos) << line_of(model_, 0);
}

TEST_F(Frame, ListsSayInWhichRowOneIs) {
  type(model_, "j");
  EXPECT_TRUE(bottom(model_).ends_with(" 2/5")) << bottom(model_);
  type(model_, "/python !big\r");
  EXPECT_TRUE(bottom(model_).ends_with(" 2/4  4 of 5 jobs")) << bottom(model_);
  type(model_, "2jj");
  EXPECT_TRUE(bottom(model_).ends_with(" 3/3")) << bottom(model_);
  type(model_, "4");
  EXPECT_TRUE(bottom(model_).ends_with("q quit")) << "there are none: " << bottom(model_);
}

TEST_F(Frame, WhereTheLineIsFullThePlaceIsLeftOut) {
  model_.columns = 69;
  EXPECT_TRUE(bottom(model_).ends_with("q quit")) << bottom(model_);
  model_.columns = 80;
  type(model_, "x");
  EXPECT_FALSE(bottom(model_).ends_with("1/5")) << bottom(model_);
}

TEST_F(Frame, ALogsBottomLineDropsWholeKeysForItsPlace) {
  type(model_, "l");
  std::string bytes;
  for (int i = 0; i < 100; ++i) {
    std::string header(16, '\0');
    header[0] = 1;
    header[4] = 5;
    bytes += header + "line\n";
  }
  update(model_, LogBytes{model_.log.of, bytes, false, model_.log.reading});
  type(model_, "g");
  EXPECT_TRUE(bottom(model_).starts_with(" f follow  / search  w wrap  t stream  Esc back"));
  model_.columns = 78;
  EXPECT_TRUE(
      bottom(model_).starts_with(" f follow  / search  w wrap  Esc back  ? help  q quit   "))
      << bottom(model_);
  for (int columns = 30; columns < 100; ++columns) {
    model_.columns = columns;
    const std::string line = bottom(model_);
    EXPECT_TRUE(line.ends_with("  line 1 of 100")) << columns << line;
    for (const char* cut : {"q qui ", "? hel ", "w wra ", "Esc bac "})
      EXPECT_EQ(line.find(cut), std::string::npos) << columns << line;
  }
  update(model_, LogFailed{model_.log.of, std::string(200, 'x')});
  model_.columns = 80;
  EXPECT_NE(bottom(model_).find("? help  q quit"), std::string::npos) << bottom(model_);
  update(model_, LogFailed{model_.log.of, "goes on when it is back"});
  update(model_, ConnectionLost{std::string(70, 'y')});
  EXPECT_TRUE(bottom(model_).ends_with("y…  goes on when it is back")) << bottom(model_);
}

TEST_F(Frame, TextsSayWhichOfTheirLinesAreSeen) {
  type(model_, "e");
  std::string text;
  for (int i = 0; i < 30; ++i) text += "line\n";
  update(model_, TextFetched{model_.text.number, text, false, 0});
  EXPECT_TRUE(bottom(model_).ends_with(" 1-10/30…")) << bottom(model_);
  update(model_, TextFetched{model_.text.number, std::string(200, 'x') + "\n", true, 0});
  type(model_, "G");
  EXPECT_TRUE(bottom(model_).ends_with("/31")) << bottom(model_);
  EXPECT_NE(bottom(model_).find("-31/"), std::string::npos) << bottom(model_);
}

TEST_F(Frame, AJobThatIsLongerThanTheScreenSaysWhichRowsAreSeen) {
  type(model_, "j\r");
  const Canvas first = draw(model_);
  ASSERT_GT(first.rows_in_all(), 10u);
  update(model_, JobDrawn{first.rows_in_all()});
  EXPECT_NE(bottom(model_).find(fmt::format(" 1-10/{}  PgDn", first.rows_in_all())),
            std::string::npos)
      << bottom(model_);
  type(model_, "G");
  EXPECT_TRUE(bottom(model_).ends_with(fmt::format("-{0}/{0}", first.rows_in_all())))
      << bottom(model_);
  EXPECT_NE(line_of(model_, 10).find("started"), std::string::npos)
      << "the last row of it is the last of the screen\n"
      << draw(model_).text();
  update(model_, Resized{80, 80});
  model_.job_top = 0;
  EXPECT_TRUE(bottom(model_).ends_with("q quit")) << bottom(model_);
}

TEST_F(Frame, WhatWasSearchedForKeepsItsMarks) {
  type(model_, "e");
  update(model_, TextFetched{model_.text.number, "cafe\u0301 noir\n", true, 0});
  type(model_, "/cafe\r");
  Canvas canvas = draw(model_);
  EXPECT_EQ(canvas.at(1, 4).glyph, "e\u0301");
  EXPECT_EQ(canvas.at(1, 4).style, Style::kFound);
  EXPECT_EQ(canvas.at(1, 5).style, Style::kPlain);
  model_.text.search = "\u0301";
  canvas = draw(model_);
  EXPECT_EQ(canvas.at(1, 4).style, Style::kFound) << "a mark is where its character is";
  EXPECT_EQ(canvas.at(1, 5).style, Style::kPlain);
}

}  // namespace
}  // namespace devrun::tui
