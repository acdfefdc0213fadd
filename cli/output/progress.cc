#include "cli/output/progress.h"

#include <fmt/format.h>

namespace devrun::cli {

void Progress::word(std::string_view line, bool passing) {
  if (quiet_ || (passing && !on_terminal_)) return;
  clear();
  if (!passing) return console_.say(line);
  console_.say_plain(fmt::format("devrun: {}", printable(line)));
  shown_ = true;
}

void Progress::clear() {
  if (!shown_) return;
  console_.say_plain("\r\x1b[K");
  shown_ = false;
}

}  // namespace devrun::cli
