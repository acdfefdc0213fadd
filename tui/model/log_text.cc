#include "tui/model/log_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>

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
  stream_ = stream;
  while (!text.empty()) {
    const size_t plain = take_plain(stream, text);
    text.remove_prefix(plain);
    if (plain != 0) continue;
    if (!take_escape(text.front())) take_character(stream, text.front());
    text.remove_prefix(1);
  }
  if (overwriting_) close_cells();  // so that it is shown; what comes goes on where it was
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

void LogText::new_line(LogStream stream) {
  if (!lines_.empty()) {
    LogLine& before = lines_.back();
    before.counted = sizeof(LogLine) + before.text.size() + before.inks.size() * sizeof(InkFrom);
    bytes_ += before.counted;
  }
  lines_.push_back({stream, {}});
  line_open_ = true;
  up_ = 0;
  overwriting_ = false;
  column_ = 0;
  character_.clear();
  drop_oldest();
}

void LogText::drop_oldest() {
  const size_t lines_max = kLogLinesMax + (reads_ ? kLogLinesReadMax : 0);
  const size_t bytes_max = kLogBytesMax + (reads_ ? kLogBytesReadMax : 0);
  while (lines_.size() > lines_max || (bytes_ > bytes_max && lines_.size() > 1)) {
    ++dropped_[static_cast<size_t>(lines_.front().stream)];
    bytes_ -= lines_.front().counted;
    lines_.pop_front();
  }
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
