// Output records become lines, in whatever pieces they arrive.
#include "tui/model/log_text.h"

#include <gtest/gtest.h>

#include "tests/unit/tui/model/output_record.h"

namespace devrun::tui {
namespace {

std::string lines_of(const LogText& log) {
  std::string out;
  for (const LogLine& line : log.lines())
    out += std::to_string(static_cast<int>(line.stream)) + ":" + line.text + "\n";
  return out;
}

TEST(LogText, SameLinesHoweverTheBytesAreSplit) {
  const std::string bytes =
      record(1, "one\ntw") + record(1, "o\n") + record(2, "bad\n") + record(1, "three");
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    LogText log;
    for (size_t i = 0; i < bytes.size(); i += piece)
      log.append(std::string_view(bytes).substr(i, piece));
    EXPECT_EQ(lines_of(log), "1:one\n1:two\n2:bad\n1:three\n") << "pieces of " << piece;
  }
}

TEST(LogText, CarriageReturnRewritesTheLineAsATerminalWould) {
  LogText log;
  log.append(record(1, "10%\r20%\r30%"));
  EXPECT_EQ(lines_of(log), "1:30%\n");
  log.append(record(1, "\r\nnext\r\n"));
  EXPECT_EQ(lines_of(log), "1:30%\n1:next\n");
}

TEST(LogText, EscapeSequencesVanishAndControlsShow) {
  LogText log;
  log.append(record(1, "\x1b[31mred\x1b[0m\tx\x01\n"));
  EXPECT_EQ(lines_of(log), "1:red     x^A\n");
}

std::string inks_of(const LogLine& line) {
  std::string out;
  for (const InkFrom& from : line.inks) {
    const Ink& ink = from.ink;
    out += std::to_string(from.byte) + "=" + std::to_string(ink.colour) + (ink.bold ? "b" : "") +
           (ink.dim ? "d" : "") + (ink.reversed ? "r" : "") + " ";
  }
  return out;
}

TEST(LogText, ColoursAreKeptAndNoOtherSequence) {
  LogText log;
  log.append(
      record(1, "a\x1b[31mred\x1b[0m \x1b[1;92mgood\x1b[22;39m.\x1b[2mdim\x1b[7mrev\x1b[m\n"));
  EXPECT_EQ(lines_of(log), "1:ared good.dimrev\n");
  EXPECT_EQ(inks_of(log.lines()[0]), "1=2 4=0 5=11b 9=0 10=0d 13=0dr ");
  log.append(
      record(1, "\x1b[38;5;196mof 256\x1b[38;2;20;20;250m true\x1b[48;5;3m ground\x1b[0m.\n"));
  EXPECT_EQ(inks_of(log.lines()[1]), "0=2 6=5 11=5r 18=0 ");
  log.append(record(1, "\x1b[?25l\x1b[>4;2m\x1b[31;!mplain\x1b]0;title\a\x1b[2J\n"));
  EXPECT_EQ(lines_of(log).substr(lines_of(log).rfind("1:")), "1:plain\n");
  EXPECT_EQ(inks_of(log.lines()[2]), "");
}

TEST(LogText, ColoursStayWithTheirCharactersWhenALineIsRewritten) {
  LogText log;
  log.append(record(2, "\x1b[32m10%\x1b[0m rest\r\x1b[31m20"));
  log.append(record(1, "plain\n"));
  EXPECT_EQ(lines_of(log), "2:20% rest\n1:plain\n");
  EXPECT_EQ(inks_of(log.lines()[0]), "0=2 2=3 3=0 ");
  EXPECT_EQ(inks_of(log.lines()[1]), "") << "the other stream has its own ink";
}

TEST(LogText, InksOfALineAreBounded) {
  LogText log;
  std::string text;
  for (size_t i = 0; i < 2 * kInksOfLineMax; ++i) text += i % 2 == 0 ? "\x1b[31mx" : "\x1b[32mx";
  log.append(record(1, text));
  EXPECT_EQ(log.lines()[0].inks.size(), kInksOfLineMax);
}

TEST(LogText, WhatAShorterLineLeavesOfALongerOneStays) {
  LogText log;
  log.append(record(1, "100% done\r5"));
  EXPECT_EQ(lines_of(log), "1:500% done\n");
  log.append(record(1, "0%\x1b[K"));
  EXPECT_EQ(lines_of(log), "1:50%\n");
  log.append(record(1, "\b\b9"));
  EXPECT_EQ(lines_of(log), "1:59%\n");
}

TEST(LogText, SeveralBarsMoveInTheirOwnLines) {
  LogText log;
  log.append(record(2, "a  0%\nb  0%\n\x1b[2Aa 50%\n\x1b[1Bend\n"));
  EXPECT_EQ(lines_of(log), "2:a 50%\n2:b  0%\n2:end\n");
  LogText tqdm;
  tqdm.append(record(2, "0: 10%\n1: 10%\x1b[A\r0: 20%\n\r1: 20%\x1b[A\r0: 30%"));
  EXPECT_EQ(lines_of(tqdm), "2:0: 30%\n2:1: 20%\n");
}

TEST(LogText, ABarBesideLinesOfTheOtherStreamIsOneLine) {
  LogText log;
  for (int i = 1; i <= 3; ++i) {
    log.append(record(2, "\r" + std::to_string(i) + "0%|#"));
    log.append(record(1, "step " + std::to_string(i) + "\n"));
  }
  EXPECT_EQ(lines_of(log), "1:step 1\n1:step 2\n2:30%|#\n1:step 3\n");
  log.append(record(2, "\r100%|####\n"));
  log.append(record(1, "end\n"));
  log.append(record(2, "a word\n"));
  EXPECT_EQ(lines_of(log), "1:step 1\n1:step 2\n1:step 3\n2:100%|####\n1:end\n2:a word\n");
}

TEST(LogText, ABarThatEndsWithTheReturnGoesOnToo) {
  LogText log;
  log.append(record(2, "10% of all\r") + record(1, "x\n") + record(2, "20%\r") + record(1, "y"));
  EXPECT_EQ(lines_of(log), "1:x\n2:20% of all\n1:y\n");
  log.append(record(2, "30%"));
  log.append(record(1, "z\n"));
  EXPECT_EQ(lines_of(log), "1:x\n2:30% of all\n1:yz\n") << "each goes on where it was";
}

TEST(LogText, SeveralBarsMoveTogether) {
  LogText log;
  log.append(record(2, "0: 10%\n1: 10%\x1b[A\r"));
  log.append(record(1, "line\n"));
  log.append(record(2, "0: 20%\n\r1: 20%\x1b[A\r"));
  EXPECT_EQ(lines_of(log), "1:line\n2:0: 20%\n2:1: 20%\n");
  log.append(record(1, "more\n"));
  log.append(record(2, "\x1b[1B\r1: 30%"));
  EXPECT_EQ(lines_of(log), "1:line\n1:more\n2:0: 20%\n2:1: 30%\n");
}

TEST(LogText, ColoursAndBoundsHoldForLinesThatMove) {
  LogText log;
  for (size_t i = 0; i < kLogLinesMax; ++i) {
    log.append(record(2, "\r\x1b[32mbar\x1b[0m"));
    log.append(record(1, "x\n"));
  }
  EXPECT_EQ(log.lines().size(), kLogLinesMax);
  EXPECT_EQ(log.dropped_lines(), 1u) << "a line that moves is no further one";
  log.append(record(2, "."));
  EXPECT_EQ(log.lines().back().text, "bar.");
  EXPECT_EQ(inks_of(log.lines().back()), "0=3 3=0 ");
  EXPECT_EQ(log.numbers(LogStream::kErr).size(), 1u);
  EXPECT_EQ(log.numbers(LogStream::kOut).size(), kLogLinesMax - 1);
  for (size_t i = 1; i < log.lines().size(); ++i) {
    ASSERT_LT(log.lines()[i - 1].number, log.lines()[i].number);
  }
}

TEST(LogText, AnUnfinishedLineThatHasGoneBeginsAnew) {
  LogText log;
  log.append(record(2, "begun"));
  for (size_t i = 0; i <= kLogLinesMax; ++i) log.append(record(1, "x\n"));
  log.append(record(2, "goes on"));
  EXPECT_EQ(log.lines().back().text, "goes on");
}

TEST(LogText, WideCharactersAreOverwrittenWhole) {
  LogText log;
  log.append(record(1, "進捗 1\r完"));
  EXPECT_EQ(lines_of(log), "1:完捗 1\n");
}

TEST(LogText, OverwritingIsByColumns) {
  LogText log;
  log.append(record(1, "進捗\rab\n"));
  log.append(record(1, "進捗\rx\n"));
  log.append(record(1, "abcd\r\x1b[1C進\n"));
  log.append(record(1, "進捗\x1b[1D\x1b[K!\n"));
  EXPECT_EQ(lines_of(log), "1:ab捗\n1:x 捗\n1:a進d\n1:進 !\n");
}

TEST(LogText, ACharacterMayComeInPiecesWhileItOverwrites) {
  LogText log;
  log.append(record(1, "12345\r\xe9\x80"));
  log.append(record(1, "\xb2|e"));
  log.append(record(1, "\xcc"));
  log.append(record(1, "\x81\n"));
  log.append(record(1, "ab\r\xe9X\n"));
  EXPECT_EQ(lines_of(log), "1:進|e\u03015\n1:\xe9X\n") << "bytes that are no character stay";
}

TEST(LogText, TabsGoToColumnsNotToBytes) {
  LogText log;
  log.append(record(1, "進\tx\n"));
  log.append(record(1, "進\ty\r\tz\n"));
  EXPECT_EQ(lines_of(log), "1:進      x\n1:進      z\n");
}

TEST(LogText, IsBounded) {
  LogText log;
  for (size_t i = 0; i < kLogLinesMax + 10; ++i) log.append(record(1, "x\n"));
  EXPECT_EQ(log.lines().size(), kLogLinesMax);
  EXPECT_EQ(log.dropped_lines(), 10u);
  log.append(record(1, std::string(60'000, 'y')));
  EXPECT_EQ(log.lines().back().text.size(), kLogLineBytesMax);
  for (int i = 0; i < 4'500; ++i) log.append(record(1, std::string(kLogLineBytesMax, 'y') + "\n"));
  EXPECT_LE(log.lines().size() * kLogLineBytesMax, kLogBytesMax);
}

TEST(LogText, BytesThatAreNoRecordsStopIt) {
  LogText log;
  log.append("this is no log at all");
  EXPECT_TRUE(log.damaged());
  log.append(record(1, "x\n"));
  EXPECT_TRUE(log.lines().empty());
}

}  // namespace
}  // namespace devrun::tui
