// Terminals send sequences of their own that nobody here knows: keys in another protocol, a mouse that another program
// left on, answers that nobody waits for. They are swallowed up to their final byte, in whatever pieces they come: what
// is in them would be taken for commands. Pure; times in milliseconds of any clock that does not go back.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

namespace devrun::tui {

// What a control sequence (CSI) that has come to its end says: "120;5u" of ESC [ 120;5u.
struct Sequence {
  std::string words;
};
// A code that the terminal's library has made of a sequence that it knows.
struct KeyCode {
  int code = 0;
};

class Sequences {
 public:
  // Escape is told from the beginning of a sequence by what comes after it: at once, or this much later on a slow way.
  static constexpr int64_t kPieceMs = 50;
  // One that does not go on is no more: what comes then was typed.
  static constexpr int64_t kSilenceMs = 500;
  // What does not end after so many characters is no sequence.
  static constexpr size_t kControlMax = 256, kStringMax = 1 << 16;

  void take(char32_t c, int64_t now_ms);
  void take(KeyCode code);
  // Nothing more is there now: an Escape was a key.
  void nothing_more();

  // What was typed, and known sequences' ends, in order.
  using Item = std::variant<char32_t, KeyCode, Sequence>;
  std::optional<Item> next();

 private:
  enum class In { kNone, kEscape, kControl, kOneMore, kString, kStringEscape };
  void take_inside(char32_t c);
  void begin(char32_t c);
  void go_on_with_control(char32_t c);

  In in_ = In::kNone;
  bool escape_due_ = false;  // not given yet
  int64_t last_ms_ = 0;
  size_t length_ = 0;  // of what is being swallowed
  size_t more_ = 0;    // characters, in kOneMore
  std::string words_;
  std::deque<Item> items_;
};

}  // namespace devrun::tui
