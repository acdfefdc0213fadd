// The bytes of stdin that have been read and are not yet known to have reached the program. They
// are sent in order, at most kWindowBytes ahead of what was taken, and again from there after a
// break. Pure.
//
//   0 ……………… taken_ ……………… sent_ ……………… end()     [taken_, end()) is kept
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace devrun::cli {

class StdinWindow {
 public:
  static constexpr uint64_t kWindowBytes = 1 << 20;
  static constexpr size_t kChunkBytesMax = 256 << 10;

  struct Chunk {
    uint64_t offset = 0;
    std::string_view bytes;  // valid until the next call
    bool eof = false;
  };

  size_t room() const { return kWindowBytes - kept(); }  // that may be appended now
  bool wants_input() const { return !eof_ && room() >= kChunkBytesMax / 2; }
  // Before the first byte: a program that has read before goes on at `offset`.
  void begin_at(uint64_t offset) { taken_ = sent_ = offset; }
  void append(std::string_view bytes) { bytes_ += bytes; }
  void end_of_file() { eof_ = true; }

  // What is to be sent next, which then counts as sent.
  std::optional<Chunk> next();
  void taken(uint64_t offset);
  // A new stream: what was not taken is sent again.
  void restart();

 private:
  size_t kept() const { return bytes_.size() - dropped_; }
  uint64_t end() const { return taken_ + kept(); }

  std::string bytes_;   // what is kept follows the first dropped_ of them
  size_t dropped_ = 0;  // of bytes_, taken: cut off seldom, since that moves the rest
  uint64_t taken_ = 0;
  uint64_t sent_ = 0;
  bool eof_ = false;
  bool eof_sent_ = false;
};

}  // namespace devrun::cli
