// Volumes that were removed: folders volumes/.removed/V.T, kept for 7 days after T (µs).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "controller/storage/driver.h"

namespace devrun::storage {

inline constexpr Duration kRemovedKept = seconds(7 * 24 * 3600);
inline constexpr std::string_view kRemovedFolder = ".removed";

struct RemovedFolder {
  std::string name;    // the volume's
  std::string folder;  // its path
  Time removed;
};

std::string removed_folder_name(const std::string& volume, Time removed);
// In volumes/ `volumes`; the one removed last comes last.
Result<std::vector<RemovedFolder>> removed_folders(const std::string& volumes);

// The files in the newest snapshot of each; of one whose records cannot be read nothing is told. As removed_folders.
struct RemovedBytes {
  std::string volume, owner;
  int64_t bytes = 0;
};
Result<std::vector<RemovedBytes>> removed_bytes(const std::string& volumes);

// Deletes a volume's folder with the trees in it.
Status delete_volume_folder(const Driver& driver, const std::string& path);

}  // namespace devrun::storage
