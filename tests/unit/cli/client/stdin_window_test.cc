#include "cli/client/stdin_window.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

TEST(StdinWindow, SendsInOrderAndOnce) {
  StdinWindow window;
  EXPECT_FALSE(window.next());
  window.append("abc");
  const auto chunk = window.next();
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->offset, 0u);
  EXPECT_EQ(chunk->bytes, "abc");
  EXPECT_FALSE(chunk->eof);
  EXPECT_FALSE(window.next());
  window.append("de");
  EXPECT_EQ(window.next()->offset, 3u);
}

TEST(StdinWindow, EndComesOnceWithOrAfterTheLastBytes) {
  StdinWindow window;
  window.append("abc");
  window.end_of_file();
  EXPECT_TRUE(window.next()->eof);
  EXPECT_FALSE(window.next());

  StdinWindow empty;
  empty.end_of_file();
  const auto chunk = empty.next();
  ASSERT_TRUE(chunk);
  EXPECT_TRUE(chunk->eof && chunk->bytes.empty());
  EXPECT_FALSE(empty.next());
}

TEST(StdinWindow, LargeInputGoesInChunks) {
  StdinWindow window;
  window.append(std::string(600'000, 'x'));
  window.end_of_file();
  EXPECT_EQ(window.next()->bytes.size(), StdinWindow::kChunkBytesMax);
  const auto second = window.next();
  EXPECT_EQ(second->offset, StdinWindow::kChunkBytesMax);
  EXPECT_FALSE(second->eof);
  EXPECT_TRUE(window.next()->eof);
}

TEST(StdinWindow, StopsReadingWhenNothingIsTaken) {
  StdinWindow window;
  EXPECT_TRUE(window.wants_input());
  window.append(std::string(StdinWindow::kWindowBytes, 'x'));
  EXPECT_FALSE(window.wants_input());
  window.taken(StdinWindow::kWindowBytes / 2);
  EXPECT_TRUE(window.wants_input());
  EXPECT_EQ(window.room(), StdinWindow::kWindowBytes / 2);
  window.end_of_file();
  EXPECT_FALSE(window.wants_input());
}

TEST(StdinWindow, AfterABreakItGoesOnWhereItWasTaken) {
  StdinWindow window;
  window.append("abcdef");
  window.end_of_file();
  window.next();
  window.taken(2);
  window.restart();
  const auto chunk = window.next();
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->offset, 2u);
  EXPECT_EQ(chunk->bytes, "cdef");
  EXPECT_TRUE(chunk->eof);
}

TEST(StdinWindow, OffsetsThatCannotBeAreClamped) {
  StdinWindow window;
  window.append("abc");
  window.taken(100);
  EXPECT_EQ(window.room(), StdinWindow::kWindowBytes);
  window.taken(1);
  window.append("d");
  EXPECT_EQ(window.next()->offset, 3u);
}

TEST(StdinWindow, BeginsWhereAnotherLeftOff) {
  StdinWindow window;
  window.begin_at(500);
  window.append("x");
  EXPECT_EQ(window.next()->offset, 500u);
}

}  // namespace
}  // namespace devrun::cli
