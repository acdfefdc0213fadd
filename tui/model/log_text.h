// A job's output as lines on a screen: the records of an output log (client.proto, OutputChunk) decoded as they come, in
// any pieces. Of a terminal it knows what progress bars need: `\r`, backspace, moving the cursor in and between the last
// lines, erasing; and colours, as one of eight for each. The rest is dropped, other control characters shown. Bounded: the
// oldest lines go first, later while somebody reads them.
//
// Each stream is as if it had a terminal of its own: what the other one writes ends no line of it, and a line that goes on
// is then the last one again. So a progress bar on stderr stays one line, whatever is printed to stdout beside it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  uint64_t number = 0;             // the higher the later; of a line that has moved a new one
  std::vector<InkFrom> inks = {};  // in order; before the first one, plain
  size_t counted = 0;              // bytes, once another line has begun after it
};

// The beginning of a line, from which on the output can be decoded by itself.
struct LogMark {
  uint64_t offset = 0;            // of the record that it is in
  size_t record_bytes = 0;        // of that record, with its header
  size_t skip = 0;                // bytes of the record's text that are before it
  std::array<size_t, 4> lines{};  // that have begun before it, by stream
  std::array<Ink, 4> inks{};      // in which the streams write
};
inline constexpr size_t kMarkEveryLines = 8'000;
inline constexpr size_t kMarkEveryBytes = 1 << 20;

class LogText {
 public:
  LogText() = default;
  // The part that begins there: what is before counts as dropped.
  explicit LogText(const LogMark& from);
  void append(std::string_view record_bytes);
  // Marks that were left since this was asked last, in order.
  std::vector<LogMark> take_marks() { return std::exchange(marks_, {}); }
  uint64_t bytes_taken() const { return taken_; }  // of the log, up to here
  // Lines that have begun so far, from the log's beginning on, by stream.
  const std::array<size_t, 4>& begun() const { return begun_; }
  // What is read no further ends with a line.
  void forget_open_line();
  // Somebody reads what is there: lines go later.
  void keep_for_reader(bool reads) { reads_ = reads; }
  const std::deque<LogLine>& lines() const { return lines_; }
  // The first line that has this number or a later one, as an index; lines().size(): there is none.
  size_t from_number(uint64_t number) const;
  // Numbers of the lines of stdout or of stderr, each with the marks.
  const std::deque<uint64_t>& numbers(LogStream stream) const {
    return numbers_[stream == LogStream::kErr ? 1 : 0];
  }
  bool damaged() const { return damaged_; }  // the bytes were no records: nothing more is decoded
  // That are before those that are here: they went first to keep it bounded, or were not read.
  size_t dropped_lines() const { return dropped_[1] + dropped_[2] + dropped_[3]; }
  const std::array<size_t, 4>& dropped() const { return dropped_; }  // by stream

 private:
  enum class Escape { kNone, kStarted, kSequence, kTitle };

  void take_text(LogStream stream, std::string_view text);
  void leave_mark(size_t text_taken);
  size_t take_plain(LogStream stream, std::string_view text);
  void take_character(LogStream stream, char c);
  bool take_escape(char c);
  void perform_sequence(char final);
  void need_line(LogStream stream);
  void leave_line();
  bool return_to_line(LogStream stream);
  void new_line(LogStream stream);
  void add_line(LogLine line);
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
  uint64_t taken_ =
      0;  // bytes of the log that were decoded: where the record begins that is taken now
  size_t record_bytes_ = 0;
  size_t skip_ = 0;  // bytes of the first record's text that are none of ours
  std::array<size_t, 4> begun_{};
  std::vector<LogMark> marks_;
  size_t lines_marked_ = 0;
  uint64_t bytes_marked_ = 0;
  std::deque<LogLine> lines_;
  std::array<std::deque<uint64_t>, 2>
      numbers_;  // of lines_, by stream, to be found without looking at all
  uint64_t next_number_ = 1;
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
  // A stream's line, with those below it that the cursor may go back to, while another stream writes.
  struct Unfinished {
    uint64_t number = 0;
    size_t up = 0;
    size_t column = 0;
    bool overwriting = false;
  };
  std::array<std::optional<Unfinished>, 4> unfinished_;  // by stream
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
