// The traces of programs in the store's export: traces/<volume>/<hex>, read by the nodes (common/tree/trace.h). A volume
// has kTracesMax, those written last. Hints: a damaged one is replaced by the next.
//
// Any thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::storage {

class TraceFiles {
 public:
  static constexpr size_t kTracesMax = 512;

  explicit TraceFiles(std::string export_path) : export_path_(std::move(export_path)) {}

  // Adds `trace` (as encode_trace made it) to what is known of that command line. kCorrupt: it is no trace.
  Status keep(const std::string& volume, const std::vector<std::string>& argv,
              std::string_view trace);
  // The volume has none any more.
  Status forget(const std::string& volume);

 private:
  const std::string export_path_;
  std::mutex mutex_;  // one writer
};

}  // namespace devrun::storage
