// Filling a new volume's live tree.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "controller/storage/storage.h"

namespace devrun::storage {

// `live` is an empty folder. On failure it may hold anything; nothing is left mounted in it.
Status fill_volume(const std::string& live, const VolumeSource& source,
                   const ProgressLine& progress);

// The archive that this machine installs `suite` from, by its apt sources (one-line and deb822
// formats). For a Debian suite that none of them names, the first Debian archive; empty if there is
// none. `apt_folder` is /etc/apt.
std::string find_mirror(const std::string& apt_folder, std::string_view suite);

}  // namespace devrun::storage
