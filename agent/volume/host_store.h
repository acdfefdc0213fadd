// The export as a folder of this host: for the storage host's own devrun-fs and for tests.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "agent/volume/object_store.h"
#include "common/runtime/fd.h"

namespace devrun::volume {

class HostStore final : public ObjectStore {
 public:
  static Result<std::unique_ptr<HostStore>> open(const std::string& folder);

  Result<std::string> read_whole(const std::string& path, uint64_t bytes_max, Deadline deadline,
                                 Priority priority) override;
  Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                 Deadline deadline, Priority priority) override;
  void count(std::map<std::string, uint64_t>& counters) const override;

 private:
  explicit HostStore(UniqueFd folder) : folder_(std::move(folder)) {}

  Result<UniqueFd> open_below(const std::string& path) const;

  UniqueFd folder_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> bytes_read_{0};
};

}  // namespace devrun::volume
