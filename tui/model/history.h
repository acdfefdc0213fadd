// What was typed at the bottom before, for ↑ and ↓: of one kind of prompt, for as long as the monitor runs. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

namespace devrun::tui {

inline constexpr size_t kTypedMax = 200;  // lines

class History {
 public:
  // One that was there already becomes the newest; an empty one is nothing.
  void add(const std::string& text);
  size_t size() const { return lines_.size(); }
  // `back` of 1 is the newest, size() the oldest.
  const std::string& line(size_t back) const { return lines_.at(lines_.size() - back); }

 private:
  std::deque<std::string> lines_;  // the newest last
};

}  // namespace devrun::tui
