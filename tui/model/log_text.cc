#include "tui/model/log_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace devrun::tui {

namespace {

constexpr size_t kHeaderBytes = 16;
constexpr size_t kRecordBytesMax = 64 << 10;
constexpr size_t kSequenceBytesMax = 32;
constexpr size_t kCharacterBytesMax = 8;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

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
    take_text(static_cast<LogStream>(stream), rest.substr(kHeaderBytes, length));
    rest.remove_prefix(kHeaderBytes + length);
  }
  pending_.erase(0, pending_.size() - rest.size());
}

void LogText::take_text(LogStream stream, std::string_view text) {
  for (const char c : text) {
    if (!take_escape(c)) take_character(stream, c);
  }
  if (overwriting_) close_cells();  // so that it is shown; what comes goes on where it was
}

void LogText::new_line(LogStream stream) {
  lines_.push_back({stream, {}});
  line_open_ = true;
  up_ = 0;
  overwriting_ = false;
  column_ = 0;
  if (lines_.size() <= kLogLinesMax) return;
  lines_.pop_front();
  ++dropped_lines_;
}

// A line belongs to one stream: the other one begins a line of its own.
void LogText::need_line(LogStream stream) {
  if (line_open_ && lines_.back().stream == stream) return;
  close_cells();
  new_line(stream);
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

// Overwriting is by characters: the line as a row of them.
void LogText::open_cells() {
  if (overwriting_) return;
  overwriting_ = true;
  cells_.clear();
  for (const char c : line()) {
    if (!cells_.empty() && continues_character(c)) {
      cells_.back() += c;
    } else {
      cells_.emplace_back(1, c);
    }
  }
  column_ = cells_.size();
}

void LogText::close_cells() {
  if (!overwriting_) return;
  std::string& text = line();
  text.clear();
  for (const std::string& cell : cells_) text += cell;
}

void LogText::put(char c) {
  std::string plain(1, c);
  if (c == '\t') {
    plain = " ";
  } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
    plain = {'^', static_cast<char>(c ^ 0x40)};
  }
  if (!overwriting_) {
    std::string& text = line();
    if (text.size() >= kLogLineBytesMax) return;
    if (c == '\t') plain.assign(8 - text.size() % 8, ' ');
    text += plain;
    return;
  }
  if (continues_character(c) && column_ > 0 && column_ <= cells_.size()) {
    if (cells_[column_ - 1].size() < kCharacterBytesMax) cells_[column_ - 1] += c;
    return;
  }
  if (column_ >= kLogLineBytesMax) return;
  while (cells_.size() < column_) cells_.emplace_back(" ");
  if (column_ == cells_.size()) cells_.emplace_back();
  cells_[column_++] = plain;
}

bool LogText::take_escape(char c) {
  switch (escape_) {
    case Escape::kNone:
      if (c != '\x1b') return false;
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
  size_t number = 0;
  const auto parsed =
      std::from_chars(sequence_.data(), sequence_.data() + sequence_.size(), number);
  const bool given = parsed.ec == std::errc{};
  const size_t count = std::min<size_t>(given ? std::max<size_t>(number, 1) : 1, kLogLineBytesMax);
  if (std::string_view("ABCDGK").find(final) == std::string_view::npos || lines_.empty()) return;
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
  if (final == 'K' && (!given || number == 0)) cells_.resize(std::min(column_, cells_.size()));
  if (final == 'K' && given && number == 2) cells_.clear();
}

}  // namespace devrun::tui
