#include "agent/shim/stdin_buffer.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

namespace devrun::shim {

void StdinBuffer::open(UniqueFd out, bool terminal) {
  out_ = std::move(out);
  terminal_ = terminal;
}

void StdinBuffer::close() {
  out_.reset();
  closed_ = true;
  chunks_.clear();
  front_used_ = 0;
}

Status StdinBuffer::accept(uint64_t offset, std::string data, bool eof) {
  if (offset > received_) {
    return Error{
        Code::kInvalid, fmt::format("stdin from {} sent, {} expected", offset, received_), {}};
  }
  const uint64_t known = received_ - offset;
  if (known > data.size() || (eof_ && known < data.size())) return ok();
  if (eof) eof_ = true;
  data.erase(0, known);
  if (closed_) {
    received_ += data.size();
    return ok();
  }
  if (received_ + data.size() - taken_ > kStdinBufferBytesMax) {
    return Error{Code::kExhausted, "more stdin sent than there is room for", {}};
  }
  received_ += data.size();
  if (!data.empty()) chunks_.push_back(std::move(data));
  return ok();
}

void StdinBuffer::flush() {
  while (out_ && !chunks_.empty()) {
    const std::string& front = chunks_.front();
    const ssize_t n = ::write(out_.get(), front.data() + front_used_, front.size() - front_used_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      close();
      return;
    }
    front_used_ += static_cast<size_t>(n);
    taken_ += static_cast<uint64_t>(n);
    last_byte_ = front[front_used_ - 1];
    if (front_used_ == front.size()) {
      chunks_.pop_front();
      front_used_ = 0;
    }
  }
  if (out_ && eof_ && !eof_done_) end_of_file();
}

// A pipe ends by being closed. A terminal ends a read by VEOF, which at the end of an unfinished line has to come twice:
// the first one only hands the line over. A line editor, which reads key by key, takes the same byte for the end.
void StdinBuffer::end_of_file() {
  if (!terminal_) {
    eof_done_ = true;
    out_.reset();
    return;
  }
  termios mode{};
  if (::tcgetattr(out_.get(), &mode) == 0) {
    const char veof[2] = {static_cast<char>(mode.c_cc[VEOF]), static_cast<char>(mode.c_cc[VEOF])};
    const size_t size = last_byte_ == '\n' || (mode.c_lflag & ICANON) == 0 ? 1 : 2;
    if (::write(out_.get(), veof, size) < 0 && errno == EAGAIN) return;
  }
  eof_done_ = true;
}

}  // namespace devrun::shim
