// A job's output as lines on a screen: the records of an output log (client.proto, OutputChunk) decoded as they come, in
// any pieces. Of a terminal it knows what progress bars need: `\r`, backspace, moving the cursor in and between the last
// lines, erasing; and colours, as one of eight for each. The rest is dropped, other control characters shown. Bounded: the
// oldest lines go first, later while somebody reads them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tui/model/ink.h"

namespace devrun::tui {

inline constexpr size_t kLogLinesMax = 100'000;
inline constexpr size_t kLogBytesMax = 32 << 20;
// As much again while somebody reads what would go.
inline constexpr size_t kLogLinesReadMax = 100'000;
inline constexpr size_t kLogBytesReadMax = 32 << 20;
inline constexpr size_t kLogLineBytesMax = 8'192;
inline constexpr size_t kInksOfLineMax = 256;
inline constexpr size_t kLinesUpMax = 64;  // that a cursor may go up

enum class LogStream { kOut = 1, kErr = 2, kMark = 3 };
// From that byte of a line on.
struct InkFrom {
  uint16_t byte = 0;
  Ink ink;
  bool operator==(const InkFrom&) const = default;
};
struct LogLine {
  LogStream stream = LogStream::kOut;
  std::string text;
  std::vector<InkFrom> inks = {};  // in order; before the first one, plain
  size_t counted = 0;              // bytes, once another line has begun after it
};

class LogText {
 public:
  void append(std::string_view record_bytes);
  // Somebody reads what is there: lines go later.
  void keep_for_reader(bool reads) { reads_ = reads; }
  const std::deque<LogLine>& lines() const { return lines_; }
  bool damaged() const { return damaged_; }  // the bytes were no records: nothing more is decoded
  // That went first to keep it bounded, in all and of one stream.
  size_t dropped_lines() const { return dropped_[1] + dropped_[2] + dropped_[3]; }
  size_t dropped_lines(LogStream stream) const { return dropped_[static_cast<size_t>(stream)]; }

 private:
  enum class Escape { kNone, kStarted, kSequence, kTitle };

  void take_text(LogStream stream, std::string_view text);
  size_t take_plain(LogStream stream, std::string_view text);
  void take_character(LogStream stream, char c);
  bool take_escape(char c);
  void perform_sequence(char final);
  void need_line(LogStream stream);
  void new_line(LogStream stream);
  void line_feed();
  void put(char c);
  void put_plain(char c);
  void overwrite(char c);
  void place(std::string_view bytes, size_t columns, const Ink& ink);
  void drop_oldest();
  void end_character();
  void open_cells();
  void close_cells();
  LogLine& line() { return lines_[lines_.size() - 1 - up_]; }
  // What is written now, by whoever writes the line.
  const Ink& ink() const { return inks_[static_cast<size_t>(stream_)]; }

  std::string pending_;  // an incomplete record
  std::deque<LogLine> lines_;
  bool line_open_ = false;  // what comes goes on in the last line
  size_t up_ = 0;           // lines that the cursor is above the last one
  // The cursor's column, while it is not simply at the end of the line.
  bool overwriting_ = false;
  size_t column_ = 0;
  // Of that line: a column each; what a character of two columns is followed by is empty.
  struct Place {
    std::string text = " ";
    Ink ink = {};
  };
  std::vector<Place> cells_;
  std::string character_;  // the bytes that have come of one that will be put there
  Escape escape_ = Escape::kNone;
  std::string sequence_;
  bool damaged_ = false;
  std::array<size_t, 4> dropped_{};     // by stream
  std::array<Ink, 4> inks_{};           // likewise
  LogStream stream_ = LogStream::kOut;  // that is taken
  size_t bytes_ = 0;                    // of the lines that are counted
  bool reads_ = false;
};

}  // namespace devrun::tui
