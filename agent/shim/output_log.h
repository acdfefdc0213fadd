// The output log of an attempt: records as proto/devrun/v1/client.proto (OutputChunk) has them, each appended by one
// writev. A full or failing disk loses no bytes by itself: what could not be written stays here, and the caller stops reading the program's
// pipes until retry() succeeds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"

namespace devrun::shim {

inline constexpr size_t kRecordBytesMax = 64 << 10;
inline constexpr size_t kRecordHeaderBytes = 16;

enum class Stream : uint8_t { kStdout = 1, kStderr = 2, kMark = 3 };

class OutputLog {
 public:
  static Result<OutputLog> open(const std::string& path);

  // Not while blocked().
  void append(Stream stream, std::string_view data, Time now);
  bool blocked() const { return !pending_.empty(); }
  const std::string& why_blocked() const { return why_blocked_; }
  void retry();
  // Gives up on what is pending: cuts the log back to its last whole record.
  void cut();

  uint64_t bytes() const { return bytes_; }
  // What of it the disk holds: less than bytes() once a reader gives back what it has read, by holes.
  uint64_t kept_bytes() const;
  bool can_give_back() const;  // the file system knows holes
  Status sync();

 private:
  explicit OutputLog(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  uint64_t bytes_ = 0;        // in the file
  uint64_t whole_bytes_ = 0;  // up to the end of the last whole record
  std::string pending_;       // the rest of a record
  std::string why_blocked_;
};

}  // namespace devrun::shim
