// Takes the bytes of an output log, cut anywhere, and gives its records (format: OutputChunk in
// client.proto). Pure. A record's payload is passed on as it comes, in pieces; a piece never waits
// for the rest of its record. Only a mark does: it is a sentence, and comes whole.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::cli {

enum class OutputStream : uint8_t { kStdout = 1, kStderr = 2, kMark = 3 };

struct OutputPiece {
  OutputStream stream = OutputStream::kStdout;
  int64_t at_us = 0;  // of its record
  std::string_view bytes;
  bool completes = false;  // the last piece of its record
};

class RecordDecoder {
 public:
  // A sink may fail; the decoder has then consumed what it passed on, and not more.
  using Sink = std::function<Status(const OutputPiece&)>;

  // kCorrupt for a header that cannot be.
  Status feed(std::string_view bytes, const Sink& sink);
  // Before the first byte: the log's bytes begin there, which is a record's beginning.
  void begin_at(uint64_t offset) { offset_ = offset; }
  uint64_t offset() const { return offset_; }  // log bytes consumed

 private:
  Status parse_header();
  Status pass(std::string_view bytes, const Sink& sink);

  static constexpr size_t kHeaderBytes = 16;
  char header_[kHeaderBytes] = {};
  size_t header_have_ = 0;
  uint32_t left_ = 0;  // of the record's payload
  OutputStream stream_ = OutputStream::kStdout;
  int64_t at_us_ = 0;
  std::string mark_;  // as much of it as has come
  uint64_t offset_ = 0;
};

}  // namespace devrun::cli
