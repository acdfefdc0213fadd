// The program's stdin between the agent and the pipe or pty: bounded, counted by offset, so that an agent that comes back
// sends again whatever was not taken and nothing arrives twice.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::shim {

inline constexpr size_t kStdinBufferBytesMax = 1 << 20;

class StdinBuffer {
 public:
  // `out`: the write end of the pipe, or a pty's master, non-blocking.
  void open(UniqueFd out, bool terminal);
  // Nobody reads, or reads any more.
  void close();
  bool closed() const { return closed_; }
  int fd() const { return out_.get(); }

  // Bytes before what has been received are ignored. kInvalid beyond it, kExhausted if they are too many: the sender
  // does not keep the protocol.
  Status accept(uint64_t offset, std::string data, bool eof);

  // Writes what goes without blocking; after the last byte before an end of file, closes (a pty gets its VEOF).
  void flush();
  bool wants_to_write() const { return out_ && (!chunks_.empty() || (eof_ && !eof_done_)); }
  uint64_t taken() const { return taken_; }

 private:
  void end_of_file();

  UniqueFd out_;
  bool terminal_ = false;
  bool closed_ = false;
  bool eof_ = false;
  bool eof_done_ = false;
  char last_byte_ = '\n';
  uint64_t received_ = 0;
  uint64_t taken_ = 0;
  std::deque<std::string> chunks_;
  size_t front_used_ = 0;
};

}  // namespace devrun::shim
