#include "tui/model/history.h"

#include <algorithm>

namespace devrun::tui {

void History::add(const std::string& text) {
  if (text.find_first_not_of(' ') == std::string::npos) return;
  const auto same = std::ranges::find(lines_, text);
  if (same != lines_.end()) lines_.erase(same);
  lines_.push_back(text);
  if (lines_.size() > kTypedMax) lines_.pop_front();
}

}  // namespace devrun::tui
