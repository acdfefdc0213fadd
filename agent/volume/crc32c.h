// CRC-32C (Castagnoli), by the processor's own instruction where there is one: what a disk may do to a record
// (zeros after a power loss, a flipped bit) is noticed for a tenth of the time that SHA-256 takes.
#pragma once

#include <cstdint>
#include <string_view>

namespace devrun::volume {

// Of the bytes, going on from the checksum of those before them.
uint32_t crc32c(std::string_view bytes, uint32_t before = 0);

// The same without the instruction; for tests, and for processors that lack it.
uint32_t crc32c_by_table(std::string_view bytes, uint32_t before = 0);

}  // namespace devrun::volume
