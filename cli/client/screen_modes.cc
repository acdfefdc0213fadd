#include "cli/client/screen_modes.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace devrun::cli {

namespace {

constexpr char kEscapeByte = '\x1b';
constexpr size_t kParametersMax = 64;
// Cursor keys of applications, screens, mouse reports, focus reports, bracketed paste.
constexpr std::array<uint32_t, 12> kUsuallyOff = {1,    9,    47,   1000, 1002, 1003,
                                                  1004, 1005, 1006, 1015, 1049, 2004};
// Line wrap, the cursor.
constexpr std::array<uint32_t, 2> kUsuallyOn = {7, 25};

bool contains(const auto& list, uint32_t mode) {
  return std::find(list.begin(), list.end(), mode) != list.end();
}

}  // namespace

void ScreenModes::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (in_ == In::kText) {
      const size_t escape = bytes.find(kEscapeByte);
      if (escape == std::string_view::npos) return;
      bytes.remove_prefix(escape + 1);
      in_ = In::kEscape;
      continue;
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    if (in_ == In::kEscape) {
      if (c == '=' || c == '>') keypad_ = c == '=';
      if (c == 'c') *this = ScreenModes();  // a full reset
      in_ = c == '[' ? In::kSequence : c == kEscapeByte ? In::kEscape : In::kText;
      parameters_.clear();
    } else if (c >= 0x40) {
      take_sequence(c);
      in_ = In::kText;
    } else if (c == kEscapeByte) {
      in_ = In::kEscape;
    } else if (parameters_.size() < kParametersMax) {
      parameters_.push_back(c);
    }
  }
}

void ScreenModes::take_sequence(char final) {
  if ((final != 'h' && final != 'l') || parameters_.empty() || parameters_[0] != '?') return;
  std::string_view rest = std::string_view(parameters_).substr(1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    uint32_t mode = 0;
    std::from_chars(rest.data(), rest.data() + end, mode);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const bool on = final == 'h';
    if (contains(kUsuallyOff, mode)) {
      if (on) {
        on_.insert(mode);
      } else {
        on_.erase(mode);
      }
    }
    if (contains(kUsuallyOn, mode)) {
      if (on) {
        off_.erase(mode);
      } else {
        off_.insert(mode);
      }
    }
  }
}

std::string ScreenModes::undo() const {
  if (on_.empty() && off_.empty() && !keypad_) return {};
  std::string out = "\x1b[0m";
  if (keypad_) out += "\x1b>";
  for (const uint32_t mode : off_) out += "\x1b[?" + std::to_string(mode) + "h";
  // The screen last: it brings back what was there before.
  for (const uint32_t mode : on_) {
    if (mode != 47 && mode != 1049) out += "\x1b[?" + std::to_string(mode) + "l";
  }
  for (const uint32_t mode : on_) {
    if (mode == 47 || mode == 1049) out += "\x1b[?" + std::to_string(mode) + "l";
  }
  return out;
}

}  // namespace devrun::cli
