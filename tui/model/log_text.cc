#include "tui/model/log_text.h"

#include <cstdint>
#include <cstring>

namespace devrun::tui {

namespace {
constexpr size_t kHeaderBytes = 16;
constexpr size_t kRecordBytesMax = 64 << 10;
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

void LogText::new_line(LogStream stream) {
  lines_.push_back({stream, {}});
  line_open_ = true;
  return_pending_ = false;
  if (lines_.size() <= kLogLinesMax) return;
  lines_.pop_front();
  ++dropped_lines_;
}

void LogText::take_text(LogStream stream, std::string_view text) {
  for (const char c : text) {
    if (escape_ == Escape::kStarted) {
      escape_ = c == '[' ? Escape::kSequence : Escape::kNone;
      continue;
    }
    if (escape_ == Escape::kSequence) {
      if (c >= '@' && c <= '~') escape_ = Escape::kNone;
      continue;
    }
    if (c == '\x1b') {
      escape_ = Escape::kStarted;
      continue;
    }
    // A line belongs to one stream: the other one begins a line of its own.
    if (!line_open_ || lines_.back().stream != stream) new_line(stream);
    put(c);
  }
}

void LogText::put(char c) {
  std::string& line = lines_.back().text;
  if (c == '\n') {
    line_open_ = false;
    return;
  }
  if (c == '\r') {
    return_pending_ = true;
    return;
  }
  if (return_pending_) line.clear();
  return_pending_ = false;
  if (line.size() >= kLogLineBytesMax) return;
  if (c == '\t') {
    line.append(8 - line.size() % 8, ' ');
  } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
    line += '^';
    line += static_cast<char>(c ^ 0x40);
  } else {
    line += c;
  }
}

}  // namespace devrun::tui
