// Making files durable, a few or many.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::storage {

// More than these are synced with all that is on their file system.
inline constexpr size_t kSyncedSinglyMax = 64;

// fsync of each, or one sync of the file system (the same for all) where that is cheaper. Files
// that are gone are no error.
Status sync_files(const std::vector<std::string>& paths);

// fsync of each folder that holds one of them, once: POSIX promises a name that lasts only then.
Status sync_folders_of(const std::vector<std::string>& paths);

// Both: new files last under their names.
Status sync_with_folders(const std::vector<std::string>& paths);

}  // namespace devrun::storage
