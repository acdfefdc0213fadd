#include "cli/output/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>

#include "common/base/units.h"

namespace devrun::cli {

namespace {
constexpr int kBarColumnsMax = 30;
constexpr int kBarColumnsMin = 5;
constexpr int kPrefixColumns = 9;  // "devrun: ", and the cursor's own
}  // namespace

std::string progress_bar(std::string_view what, int64_t done, int64_t total, bool in_bytes,
                         int columns) {
  done = std::clamp<int64_t>(done, 0, total);
  const std::string amount = in_bytes
                                 ? fmt::format("{} of {}", format_size(done), format_size(total))
                                 : fmt::format("{} of {}", done, total);
  const auto share = static_cast<double>(done) / static_cast<double>(total);
  const std::string after = fmt::format("{:3.0f} %, {}", std::floor(share * 100), amount);
  const int room = columns - static_cast<int>(what.size() + after.size()) - 4;
  const int bar = std::min(room, kBarColumnsMax);
  if (bar < kBarColumnsMin) return fmt::format("{} {}", what, after);
  const int full = static_cast<int>(share * bar);
  return fmt::format("{} [{}{}] {}", what, std::string(static_cast<size_t>(full), '#'),
                     std::string(static_cast<size_t>(bar - full), '-'), after);
}

void Progress::word(std::string_view line, bool passing) {
  if (quiet_ || (passing && (!on_terminal_ || shown_ == line))) return;
  clear();
  if (!passing) return console_.say(line);
  console_.say_plain(fmt::format("devrun: {}", printable(line)));
  shown_ = line;
}

void Progress::amount(std::string_view what, int64_t done, int64_t total, bool in_bytes) {
  winsize size{};
  const bool sized = ::ioctl(console_.err(), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  word(progress_bar(what, done, total, in_bytes, (sized ? size.ws_col : 80) - kPrefixColumns),
       true);
}

void Progress::clear() {
  if (shown_.empty()) return;
  console_.say_plain("\r\x1b[K");
  shown_.clear();
}

}  // namespace devrun::cli
