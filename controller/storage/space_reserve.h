// Space that is set aside on the store, so that a store which users filled to the last byte can still
// be told to forget snapshots and volumes: that writes records, and their bytes come back only later.
// Thread-safe.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "common/base/result.h"

namespace devrun::storage {

// Below this share of free blocks no snapshot is taken and nothing is set aside.
inline constexpr unsigned kFreePercentMin = 5;
// Of the file system that `store` is on. The errors of statvfs(3).
Result<bool> is_nearly_full(const std::string& store);

class SpaceReserve {
 public:
  explicit SpaceReserve(const std::string& store) : path_(store + "/reserve") {}

  // Sets it aside unless it is; quietly not while the store is nearly full.
  void fill();
  // `write`, once more with the reserve given back if it failed for want of space (kExhausted).
  Status with(const std::function<Status()>& write);

 private:
  bool give_back();

  const std::string path_;
  std::mutex mutex_;
};

}  // namespace devrun::storage
