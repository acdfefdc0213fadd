#include "tui/model/log_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <utility>

#include "common/base/text_width.h"

namespace devrun::tui {

namespace {

constexpr size_t kHeaderBytes = 16;
constexpr size_t kRecordBytesMax = 64 << 10;
constexpr size_t kSequenceBytesMax = 32;
constexpr size_t kCharacterBytesMax = 20;  // with what combines with it

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// Of the character that begins so; 1 for a byte that begins none.
size_t character_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte >= 0xf0 && byte < 0xf5   ? 4
         : byte >= 0xe0 && byte < 0xf0 ? 3
         : byte >= 0xc2 && byte < 0xe0 ? 2
                                       : 1;
}

// What is written next is in that ink.
void note_ink(LogLine& line, const Ink& ink) {
  const Ink before = line.inks.empty() ? Ink{} : line.inks.back().ink;
  if (before == ink || line.inks.size() >= kInksOfLineMax) return;
  line.inks.push_back({static_cast<uint16_t>(line.text.size()), ink});
}

}  // namespace

LogText::LogText(const LogMark& from)
    : taken_(from.offset),
      skip_(from.skip),
      begun_(from.lines),
      bytes_marked_(from.offset),
      dropped_(from.lines),
      inks_(from.inks) {
  for (const size_t lines : begun_) lines_marked_ += lines;
}

void LogText::append(std::string_view record_bytes) {
  if (damaged_) return;
  pending_.append(record_bytes);
  std::string_view rest = pending_;
  while (rest.size() >= kHeaderBytes) {
    const auto stream = static_cast<unsigned char>(rest[0]);
    uint32_t length = 0;
    std::memcpy(&length, rest.data() + 4, sizeof length);
    if (stream < 1 || stream > 3 || length > kRecordBytesMax) {
      damaged_ = true;
      break;
    }
    if (rest.size() < kHeaderBytes + length) break;
    record_bytes_ = kHeaderBytes + length;
    take_text(static_cast<LogStream>(stream), rest.substr(kHeaderBytes, length));
    taken_ += record_bytes_;
    rest.remove_prefix(record_bytes_);
  }
  pending_.erase(0, pending_.size() - rest.size());
}

void LogText::take_text(LogStream stream, std::string_view text) {
  stream_ = stream;
  const size_t whole = text.size();
  text.remove_prefix(std::min(std::exchange(skip_, 0), whole));
  while (!text.empty()) {
    const size_t plain = take_plain(stream, text);
    text.remove_prefix(plain);
    if (plain != 0) continue;
    const char c = text.front();
    if (!take_escape(c)) take_character(stream, c);
    text.remove_prefix(1);
    if (c == '\n' && !line_open_) leave_mark(whole - text.size());
  }
  if (overwriting_) close_cells();  // so that it is shown; what comes goes on where it was
}

// Where a line has ended that the cursor does not go back to. Now and then.
void LogText::leave_mark(size_t text_taken) {
  size_t lines = 0;
  for (const size_t of_stream : begun_) lines += of_stream;
  if (lines < lines_marked_ + kMarkEveryLines && taken_ < bytes_marked_ + kMarkEveryBytes) return;
  LogMark mark{taken_, record_bytes_, text_taken, begun_, inks_};
  // What another stream has begun and goes on with comes after it.
  for (size_t i = 0; i < mark.lines.size(); ++i) {
    if (unfinished_[i]) mark.lines[i] -= std::min(mark.lines[i], unfinished_[i]->up + 1);
  }
  marks_.push_back(mark);
  lines_marked_ = lines;
  bytes_marked_ = taken_;
}

// What most of an output is, at once: no control characters, at the end of the line. Returns how many bytes.
size_t LogText::take_plain(LogStream stream, std::string_view text) {
  const bool at_end = line_open_ && up_ == 0 && !overwriting_ && lines_.back().stream == stream;
  if (!at_end || escape_ != Escape::kNone) return 0;
  const auto end = std::ranges::find_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  const auto count = static_cast<size_t>(end - text.begin());
  LogLine& to = lines_.back();
  const size_t room = kLogLineBytesMax - std::min(kLogLineBytesMax, to.text.size());
  if (count == 0 || room == 0) return count;
  note_ink(to, ink());
  to.text += text.substr(0, std::min(count, room));
  return count;
}

size_t LogText::from_number(uint64_t number) const {
  const auto at = std::ranges::lower_bound(lines_, number, {}, &LogLine::number);
  return static_cast<size_t>(at - lines_.begin());
}

void LogText::add_line(LogLine line) {
  if (!lines_.empty() && lines_.back().counted == 0) {
    LogLine& before = lines_.back();
    before.counted = sizeof(LogLine) + before.text.size() + before.inks.size() * sizeof(InkFrom);
    bytes_ += before.counted;
  }
  line.number = next_number_++;
  if (line.stream != LogStream::kErr) numbers_[0].push_back(line.number);
  if (line.stream != LogStream::kOut) numbers_[1].push_back(line.number);
  lines_.push_back(std::move(line));
}

void LogText::new_line(LogStream stream) {
  LogLine line;
  line.stream = stream;
  add_line(std::move(line));
  ++begun_[static_cast<size_t>(stream)];
  line_open_ = true;
  up_ = 0;
  overwriting_ = false;
  column_ = 0;
  character_.clear();
  drop_oldest();
}

void LogText::forget_open_line() {
  if (!line_open_ || up_ != 0) return;
  for (std::deque<uint64_t>& numbers : numbers_) {
    if (!numbers.empty() && numbers.back() == lines_.back().number) numbers.pop_back();
  }
  --begun_[static_cast<size_t>(lines_.back().stream)];
  lines_.pop_back();
  line_open_ = false;
  overwriting_ = false;
}

void LogText::drop_oldest() {
  const size_t lines_max = kLogLinesMax + (reads_ ? kLogLinesReadMax : 0);
  const size_t bytes_max = kLogBytesMax + (reads_ ? kLogBytesReadMax : 0);
  while (lines_.size() > lines_max || (bytes_ > bytes_max && lines_.size() > 1)) {
    ++dropped_[static_cast<size_t>(lines_.front().stream)];
    bytes_ -= lines_.front().counted;
    for (std::deque<uint64_t>& numbers : numbers_) {
      if (!numbers.empty() && numbers.front() == lines_.front().number) numbers.pop_front();
    }
    lines_.pop_front();
  }
}

// A line belongs to one stream: the other one begins a line of its own, or goes on in the one that it has begun.
void LogText::need_line(LogStream stream) {
  if (line_open_ && lines_.back().stream == stream) return;
  close_cells();
  leave_line();
  if (!return_to_line(stream)) new_line(stream);
}

void LogText::leave_line() {
  if (!line_open_) return;
  unfinished_[static_cast<size_t>(lines_.back().stream)] = {line().number, up_, column_,
                                                            overwriting_};
}

// The line, and those below it, become the last ones.
bool LogText::return_to_line(LogStream stream) {
  const auto was = std::exchange(unfinished_[static_cast<size_t>(stream)], std::nullopt);
  if (!was) return false;
  const size_t first = from_number(was->number);
  const size_t after = first + was->up + 1;
  if (after > lines_.size() || lines_[first].number != was->number) return false;
  const auto begin = lines_.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = lines_.begin() + static_cast<std::ptrdiff_t>(after);
  if (!std::all_of(begin, end, [&](const LogLine& one) { return one.stream == stream; }))
    return false;
  std::vector<LogLine> moved{std::move_iterator(begin), std::move_iterator(end)};
  lines_.erase(begin, end);
  for (LogLine& one : moved) {
    for (std::deque<uint64_t>& numbers : numbers_) {
      const auto at = std::ranges::lower_bound(numbers, one.number);
      if (at != numbers.end() && *at == one.number) numbers.erase(at);
    }
    bytes_ -= std::exchange(one.counted, 0);
    add_line(std::move(one));
  }
  line_open_ = true;
  up_ = was->up;
  overwriting_ = false;
  column_ = 0;
  character_.clear();
  if (!was->overwriting) return true;
  open_cells();
  column_ = was->column;
  return true;
}

void LogText::line_feed() {
  close_cells();
  overwriting_ = false;
  column_ = 0;
  if (up_ > 0) {
    --up_;
    open_cells();  // over what is there
    column_ = 0;
    return;
  }
  line_open_ = false;
}

void LogText::take_character(LogStream stream, char c) {
  if (!continues_character(c)) end_character();
  if (c == '\n') {
    if (!line_open_ || lines_.back().stream != stream) need_line(stream);
    return line_feed();
  }
  need_line(stream);
  if (c == '\r') {
    open_cells();
    column_ = 0;
    return;
  }
  if (c == '\b') {
    open_cells();
    if (column_ > 0) --column_;
    return;
  }
  put(c);
}

// Overwriting is by columns, as a terminal does it.
void LogText::open_cells() {
  if (overwriting_) return;
  overwriting_ = true;
  cells_.clear();
  column_ = 0;
  const std::string text = line().text;
  const std::vector<InkFrom> inks = line().inks;
  size_t next = 0;
  Ink written;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view before = rest;
    const size_t at = text.size() - rest.size();
    while (next < inks.size() && inks[next].byte <= at) written = inks[next++].ink;
    const int wide = width_of(take_code_point(rest));
    place(before.substr(0, before.size() - rest.size()), static_cast<size_t>(wide), written);
  }
}

void LogText::close_cells() {
  if (!overwriting_) return;
  LogLine& to = line();
  to.text.clear();
  to.inks.clear();
  for (const Place& cell : cells_) {
    note_ink(to, cell.ink);
    to.text += cell.text;
  }
}

void LogText::put(char c) {
  const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  if (!control) return put_plain(c);
  if (c != '\t') {
    put_plain('^');
    return put_plain(static_cast<char>(c ^ 0x40));
  }
  if (overwriting_) {
    column_ = std::min(column_ + 8 - column_ % 8, kLogLineBytesMax);
    return;
  }
  for (int at = width_of(line().text) % 8; at < 8; ++at) put_plain(' ');
}

void LogText::put_plain(char c) {
  if (overwriting_) return overwrite(c);
  LogLine& to = line();
  if (to.text.size() >= kLogLineBytesMax) return;
  note_ink(to, ink());
  to.text += c;
}

// How wide a character is shows only with its last byte.
void LogText::overwrite(char c) {
  if (!continues_character(c)) end_character();
  character_ += c;
  if (character_.size() >= character_bytes(character_[0])) end_character();
}

void LogText::end_character() {
  if (character_.empty()) return;
  std::string_view bytes = character_;
  const int wide = width_of(take_code_point(bytes));
  place(character_, bytes.empty() ? static_cast<size_t>(wide) : 1, ink());
  character_.clear();
}

void LogText::place(std::string_view bytes, size_t columns, const Ink& ink) {
  const auto is_right_half = [this](size_t at) { return cells_[at].text.empty(); };
  if (columns == 0) {
    size_t at = std::min(column_, cells_.size());
    while (at > 0 && is_right_half(at - 1)) --at;
    if (at > 0 && cells_[at - 1].text.size() + bytes.size() <= kCharacterBytesMax)
      cells_[at - 1].text += bytes;
    return;
  }
  if (column_ + columns > kLogLineBytesMax) return;
  while (cells_.size() < column_ + columns) cells_.emplace_back();
  // Of what is covered by half the other half goes.
  if (column_ > 0 && is_right_half(column_)) cells_[column_ - 1].text = " ";
  const size_t after = column_ + columns;
  if (after < cells_.size() && is_right_half(after)) cells_[after].text = " ";
  cells_[column_] = {std::string(bytes), ink};
  if (columns == 2) cells_[column_ + 1] = {"", ink};
  column_ = after;
}

bool LogText::take_escape(char c) {
  switch (escape_) {
    case Escape::kNone:
      if (c != '\x1b') return false;
      end_character();
      escape_ = Escape::kStarted;
      return true;
    case Escape::kStarted:
      sequence_.clear();
      escape_ = c == '[' ? Escape::kSequence : c == ']' ? Escape::kTitle : Escape::kNone;
      return true;
    case Escape::kTitle:  // ends with BEL or ESC backslash
      if (c == '\a') escape_ = Escape::kNone;
      if (c == '\x1b') escape_ = Escape::kStarted;
      return true;
    case Escape::kSequence:
      break;
  }
  if (c >= '@' && c <= '~') {
    escape_ = Escape::kNone;
    perform_sequence(c);
  } else if (sequence_.size() < kSequenceBytesMax) {
    sequence_ += c;
  } else {
    escape_ = Escape::kNone;
  }
  return true;
}

void LogText::perform_sequence(char final) {
  if (final == 'm') {
    Ink& changed = inks_[static_cast<size_t>(stream_)];
    changed = changed_by(changed, sequence_);
    return;
  }
  size_t number = 0;
  const auto parsed =
      std::from_chars(sequence_.data(), sequence_.data() + sequence_.size(), number);
  const bool given = parsed.ec == std::errc{};
  const size_t count = std::min<size_t>(given ? std::max<size_t>(number, 1) : 1, kLogLineBytesMax);
  if (std::string_view("ABCDGK").find(final) == std::string_view::npos || lines_.empty()) return;
  if (unfinished_[static_cast<size_t>(stream_)]) need_line(stream_);
  if (final == 'A' || final == 'B') {
    // A cursor at the start of a line that is not there yet: now it is.
    if (!line_open_) new_line(lines_.back().stream);
    open_cells();
    close_cells();
    const size_t column = column_;
    overwriting_ = false;
    const size_t most = std::min(lines_.size() - 1, kLinesUpMax);
    up_ = final == 'A' ? std::min(up_ + count, most) : up_ - std::min(up_, count);
    open_cells();
    column_ = column;
    return;
  }
  if (!line_open_) return;
  open_cells();
  if (final == 'C') column_ = std::min(column_ + count, kLogLineBytesMax);
  if (final == 'D') column_ -= std::min(column_, count);
  if (final == 'G') column_ = count - 1;
  if (final == 'K' && (!given || number == 0)) {
    const size_t keep = std::min(column_, cells_.size());
    if (keep > 0 && keep < cells_.size() && cells_[keep].text.empty()) cells_[keep - 1].text = " ";
    cells_.resize(keep);
  }
  if (final == 'K' && given && number == 2) cells_.clear();
}

}  // namespace devrun::tui
