#include "cli/client/stdin_window.h"

#include <algorithm>

namespace devrun::cli {

std::optional<StdinWindow::Chunk> StdinWindow::next() {
  if (sent_ == end() && (!eof_ || eof_sent_)) return std::nullopt;
  const size_t from = dropped_ + static_cast<size_t>(sent_ - taken_);
  Chunk out{sent_, std::string_view(bytes_).substr(from, kChunkBytesMax), false};
  sent_ += out.bytes.size();
  out.eof = eof_ && sent_ == end();
  eof_sent_ = eof_sent_ || out.eof;
  return out;
}

void StdinWindow::taken(uint64_t offset) {
  const uint64_t until = std::clamp(offset, taken_, end());
  dropped_ += static_cast<size_t>(until - taken_);
  if (dropped_ == bytes_.size() || dropped_ >= kWindowBytes / 2) {
    bytes_.erase(0, dropped_);
    dropped_ = 0;
  }
  taken_ = until;
  sent_ = std::max(sent_, taken_);
}

void StdinWindow::restart() {
  sent_ = taken_;
  eof_sent_ = false;
}

}  // namespace devrun::cli
