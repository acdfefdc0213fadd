// Where the records of a store lie, for those who copy them and put them back (store_records.h).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "common/base/result.h"

namespace devrun::storage {

// Of a volume, in its folder.
inline constexpr std::string_view kLogOfVolume = "snapshots/log";
inline constexpr std::string_view kNewestOfVolume = "newest.json";
inline constexpr std::string_view kOfVolume[] = {"volume.json", kNewestOfVolume, "paths.json",
                                                 kLogOfVolume};

Error failed_at(const std::filesystem::path& path, const std::error_code& failed);

// Names of the folders in it; none if it is not there.
Result<std::vector<std::string>> folders_in(const std::filesystem::path& folder);

// Folders of volumes, removed ones too, from volumes/.
Result<std::vector<std::string>> volume_folders(const std::filesystem::path& volumes);

}  // namespace devrun::storage
