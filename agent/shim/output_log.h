// The output log of an attempt: records as proto/devrun/v1/client.proto (OutputChunk) has them, each appended by one
// writev. A full or failing disk loses no bytes by itself: what could not be written stays here, and the caller stops reading the program's
// pipes until retry() succeeds.
//
// Beyond `bytes_max` a mark says so, and only the last kTailBytesMax of what follows are kept, in memory: they come at the
// end, after a mark that says how much is missing (a program's last words tell most).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"

namespace devrun::shim {

inline constexpr size_t kRecordBytesMax = 64 << 10;
inline constexpr size_t kRecordHeaderBytes = 16;

inline constexpr size_t kTailBytesMax = 1 << 20;

enum class Stream : uint8_t { kStdout = 1, kStderr = 2, kMark = 3 };

class OutputLog {
 public:
  static Result<OutputLog> open(const std::string& path, uint64_t bytes_max = UINT64_MAX);

  // Not while blocked().
  void append(Stream stream, std::string_view data, Time now);
  bool blocked() const { return !pending_.empty(); }
  const std::string& why_blocked() const { return why_blocked_; }
  void retry();
  // Gives up on what is pending: cuts the log back to its last whole record.
  void cut();
  // Of a log that reached its limit: the tail. After the last append; what the disk does not take is lost.
  void finish();

  uint64_t bytes() const { return bytes_; }
  // What of it the disk holds: less than bytes() once a reader gives back what it has read, by holes.
  uint64_t kept_bytes() const;
  bool can_give_back() const;  // the file system knows holes
  Status sync();

 private:
  OutputLog(UniqueFd fd, uint64_t bytes_max) : fd_(std::move(fd)), bytes_max_(bytes_max) {}
  void put(std::string_view header, std::string_view data);
  void mark(const std::string& words, Time now);
  void keep_tail(std::string record);

  UniqueFd fd_;
  uint64_t bytes_ = 0;        // in the file
  uint64_t whole_bytes_ = 0;  // up to the end of the last whole record
  std::string pending_;       // the rest of a record
  std::string why_blocked_;
  uint64_t bytes_max_;
  bool full_ = false;  // bytes_max_ was reached
  std::deque<std::string> tail_;
  size_t tail_bytes_ = 0;
  uint64_t left_out_bytes_ = 0;
};

}  // namespace devrun::shim
