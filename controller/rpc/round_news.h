// How rounds of bringing home went lately, for those who wait for one: an agent whose round fails tries
// again when it sees fit, and whoever waits wants to know why. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "common/base/result.h"
#include "common/model/ids.h"

namespace devrun::controller {

class RoundNews {
 public:
  static constexpr size_t kAttemptsMax = 1000;  // the oldest news go first

  // A moment, after those of all news before.
  uint64_t now() const;

  void began(const AttemptKey& key);
  void failed(const AttemptKey& key, const Error& error);

  struct News {
    bool began = false;
    std::optional<Error> failure;  // of the newest that failed
  };
  News since(const AttemptKey& key, uint64_t moment) const;

 private:
  struct Known {
    uint64_t began_at = 0;
    uint64_t failed_at = 0;
    std::optional<Error> failure;
  };
  Known& known(const AttemptKey& key);

  mutable std::mutex mutex_;
  uint64_t moment_ = 1;
  std::map<AttemptKey, Known> known_;
};

}  // namespace devrun::controller
