// Where a body has holes: its chunks of zeros, which their hash tells without a byte of them. A file
// that was sparse in the volume shows its holes in pieces of 1 MiB; what is smaller is data, and so
// is every body without a list of hashes (one chunk, inline, provisional). Both is honest: holes are
// always zeros.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace devrun::volume {

// lseek(2)'s SEEK_DATA, or SEEK_HOLE: where at or after `offset` it begins, by the list of the hashes
// of a file of `file_size` bytes (empty: all is data). None: ENXIO.
std::optional<uint64_t> seek_in_body(std::string_view hashes, uint64_t file_size, uint64_t offset,
                                     bool hole);

}  // namespace devrun::volume
