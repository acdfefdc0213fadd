// Modes that a program has switched on in the terminal and that outlive it when we leave it, or when it is killed: the
// alternate screen, a hidden cursor, mouse reports, bracketed paste. Kept track of in what it writes, so that only what is
// on is switched off. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace devrun::cli {

class ScreenModes {
 public:
  // What goes to the terminal; sequences may be cut anywhere.
  void feed(std::string_view bytes);
  // What switches off all that is on; empty if nothing is.
  std::string undo() const;

 private:
  void take_sequence(char final);

  enum class In { kText, kEscape, kSequence };
  In in_ = In::kText;
  std::string parameters_;  // of ESC [ …
  std::set<uint32_t> on_;   // private modes that are, as a rule, off
  std::set<uint32_t> off_;  // and those that are, as a rule, on
  bool keypad_ = false;
};

}  // namespace devrun::cli
