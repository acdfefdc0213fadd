// A job's output as lines on a screen: the records of an output log (client.proto, OutputChunk) decoded as they come, in
// any pieces; `\r` rewrites the line as a terminal would; other control characters are shown, escape sequences dropped.
// Bounded: the oldest lines go first.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace devrun::tui {

inline constexpr size_t kLogLinesMax = 20'000;
inline constexpr size_t kLogLineBytesMax = 8'192;

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
  size_t dropped_lines() const { return dropped_lines_; }

 private:
  void take_text(LogStream stream, std::string_view text);
  void put(char c);
  void new_line(LogStream stream);

  std::string pending_;  // an incomplete record
  std::deque<LogLine> lines_;
  bool line_open_ = false;
  bool return_pending_ = false;  // a \r was seen: the next character rewrites the line
  enum class Escape { kNone, kStarted, kSequence } escape_ = Escape::kNone;
  bool damaged_ = false;
  size_t dropped_lines_ = 0;
};

}  // namespace devrun::tui
