// Checking a store that nobody uses: whether everything that its records promise is there. Changes
// nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::storage {

struct CheckOptions {
  bool data = false;  // compare the bytes of every body with its hash, too
};

struct CheckReport {
  uint64_t volumes = 0;
  uint64_t snapshots = 0;
  uint64_t trees = 0;
  uint64_t bodies = 0;
  uint64_t problems = 0;
};

// Tells each thing that is damaged or missing in one line, and goes on. Snapshots that were
// acknowledged and not settled when their controller was killed are no damage: opening the store
// settles them. An Error only if there is no store to check.
Result<CheckReport> check_store(const std::string& store, const CheckOptions& options,
                                const std::function<void(std::string_view)>& problem);

}  // namespace devrun::storage
