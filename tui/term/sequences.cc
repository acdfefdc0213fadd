#include "tui/term/sequences.h"

#include <string_view>
#include <utility>

namespace devrun::tui {

namespace {

constexpr char32_t kEscape = 0x1b, kBell = 0x07;
constexpr size_t kMousePlaceBytes = 3;  // of an old mouse report, ESC [ M

bool is_control(char32_t c) {
  return c < 0x20 || c == 0x7f;
}

}  // namespace

void Sequences::take(char32_t c, int64_t now_ms) {
  const int64_t since_ms = now_ms - last_ms_;
  last_ms_ = now_ms;
  if (since_ms > (in_ == In::kEscape ? kPieceMs : kSilenceMs)) {
    nothing_more();
    in_ = In::kNone;
  }
  if (c == kEscape && in_ != In::kString && in_ != In::kStringEscape) {
    nothing_more();
    in_ = In::kEscape;
    escape_due_ = true;
  } else if (in_ == In::kNone) {
    items_.emplace_back(c);
  } else {
    take_inside(c);
  }
}

void Sequences::take(KeyCode code) {
  nothing_more();
  in_ = In::kNone;
  items_.emplace_back(code);
}

void Sequences::nothing_more() {
  if (std::exchange(escape_due_, false)) items_.emplace_back(kEscape);
}

std::optional<Sequences::Item> Sequences::next() {
  if (items_.empty()) return std::nullopt;
  Item out = std::move(items_.front());
  items_.pop_front();
  return out;
}

// What follows an Escape: most of it is a key that was typed soon after.
void Sequences::begin(char32_t c) {
  constexpr std::u32string_view kStrings = U"]P_^X";
  length_ = 0;
  words_.clear();
  if (c == U'[') {
    in_ = In::kControl;
  } else if (c == U'O') {
    in_ = In::kOneMore;
    more_ = 1;
  } else if (kStrings.find(c) != std::u32string_view::npos) {
    in_ = In::kString;
  } else {
    nothing_more();
    in_ = In::kNone;
    items_.emplace_back(c);
    return;
  }
  escape_due_ = false;
}

void Sequences::go_on_with_control(char32_t c) {
  const bool goes_on = c >= 0x20 && c < 0x40;
  if (goes_on && ++length_ < kControlMax) {
    words_ += static_cast<char>(c);
    return;
  }
  in_ = In::kNone;
  if (goes_on || c > 0x7e) return;
  if (length_ == 0 && (c == U'M' || c == U'[')) {  // a mouse report, a key of the Linux console
    in_ = In::kOneMore;
    more_ = c == U'M' ? kMousePlaceBytes : 1;
    return;
  }
  items_.emplace_back(Sequence{words_ + static_cast<char>(c)});
}

void Sequences::take_inside(char32_t c) {
  // Ctrl-C is a key wherever it comes; a string may have anything in it but its end.
  const bool broken = is_control(c) && in_ != In::kString && in_ != In::kEscape;
  if (broken && in_ != In::kStringEscape) {
    in_ = In::kNone;
    items_.emplace_back(c);
    return;
  }
  switch (in_) {
    case In::kNone:
      break;
    case In::kEscape:
      begin(c);
      break;
    case In::kControl:
      go_on_with_control(c);
      break;
    case In::kOneMore:
      // A key with Shift or Ctrl has a number before its letter.
      if (more_ == 1 && c >= U'0' && c <= U';' && ++length_ < kControlMax) break;
      if (--more_ == 0) in_ = In::kNone;
      break;
    case In::kString:
      if (c == kBell || ++length_ >= kStringMax) in_ = In::kNone;
      if (c == kEscape) in_ = In::kStringEscape;
      break;
    case In::kStringEscape:
      in_ = In::kNone;
      if (c == U'\\') break;
      in_ = In::kEscape;  // cut short by another one
      take_inside(c);
      break;
  }
}

}  // namespace devrun::tui
