// A job's output as lines on a screen: the records of an output log (client.proto, OutputChunk) decoded as they come, in
// any pieces. Of a terminal it knows what progress bars need: `\r`, backspace, moving the cursor in and between the last
// lines, erasing; colours and the rest are dropped, other control characters shown. Bounded: the oldest lines go first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace devrun::tui {

inline constexpr size_t kLogLinesMax = 20'000;
inline constexpr size_t kLogLineBytesMax = 8'192;
inline constexpr size_t kLinesUpMax = 64;  // that a cursor may go up

enum class LogStream { kOut = 1, kErr = 2, kMark = 3 };
struct LogLine {
  LogStream stream = LogStream::kOut;
  std::string text;
};

class LogText {
 public:
  void append(std::string_view record_bytes);
  const std::deque<LogLine>& lines() const { return lines_; }
  bool damaged() const { return damaged_; }  // the bytes were no records: nothing more is decoded
  // That went first to keep it bounded, in all and of one stream.
  size_t dropped_lines() const { return dropped_[1] + dropped_[2] + dropped_[3]; }
  size_t dropped_lines(LogStream stream) const { return dropped_[static_cast<size_t>(stream)]; }

 private:
  enum class Escape { kNone, kStarted, kSequence, kTitle };

  void take_text(LogStream stream, std::string_view text);
  void take_character(LogStream stream, char c);
  bool take_escape(char c);
  void perform_sequence(char final);
  void need_line(LogStream stream);
  void new_line(LogStream stream);
  void line_feed();
  void put(char c);
  void put_plain(char c);
  void overwrite(char c);
  void place(std::string_view bytes, size_t columns);
  void end_character();
  void open_cells();
  void close_cells();
  std::string& line() { return lines_[lines_.size() - 1 - up_].text; }

  std::string pending_;  // an incomplete record
  std::deque<LogLine> lines_;
  bool line_open_ = false;  // what comes goes on in the last line
  size_t up_ = 0;           // lines that the cursor is above the last one
  // The cursor's column, while it is not simply at the end of the line.
  bool overwriting_ = false;
  size_t column_ = 0;
  // Of that line: a column each; what a character of two columns is followed by is empty.
  std::vector<std::string> cells_;
  std::string character_;  // the bytes that have come of one that will be put there
  Escape escape_ = Escape::kNone;
  std::string sequence_;
  bool damaged_ = false;
  std::array<size_t, 4> dropped_{};  // by stream
};

}  // namespace devrun::tui
