// Space that is set aside on the store, so that a store which users filled to the last byte can still
// be told to forget snapshots and volumes: that writes records, and their bytes come back only later.
// Thread-safe.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "common/base/result.h"

namespace devrun::storage {

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
