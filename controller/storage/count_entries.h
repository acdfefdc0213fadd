// How many entries lie below a folder, for progress bars. Names that come and go meanwhile make it inexact.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace devrun::storage {

// With `device`, only what lies on that one, mount points included, as `cp --one-file-system` takes them. What cannot be read counts as nothing: the number is
// a hint.
uint64_t count_entries(const std::string& folder, std::optional<dev_t> device = std::nullopt);

}  // namespace devrun::storage
