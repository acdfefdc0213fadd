// The log of one attempt's output on the storage host, STORE/jobs/J/T.R.A/output. It only grows; readers read by offset
// while it does. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/runtime/fd.h"

namespace devrun::controller {

// "42/-.0.1/output" below the jobs folder.
std::string output_path(const std::string& jobs_path, const AttemptKey& key);

class OutputLog {
 public:
  explicit OutputLog(std::string path);

  uint64_t length() const { return length_.load(std::memory_order_acquire); }
  // At `offset` only if that is the length; else nothing happens. The length afterwards.
  Result<uint64_t> append(uint64_t offset, std::string_view data);
  // Up to `bytes_max` from `offset` on, into `out`.
  Status read(uint64_t offset, size_t bytes_max, std::string& out);
  // What has been appended survives power loss. The log is there afterwards, if empty.
  Status sync();
  // Makes it, empty, if it is not there: that the attempt has begun is seen by that (core/restore.h).
  Status make();

 private:
  // Under mutex_; once open, it stays open.
  Status open_for_append();
  Status open_if_there();

  const std::string path_;
  std::mutex mutex_;
  UniqueFd fd_;
  std::atomic<uint64_t> length_{0};
};

}  // namespace devrun::controller
