// Which shared libraries an ELF file names as needed: what the dynamic loader is about to open. A guess for fetching
// ahead, so whatever is odd about a file gives fewer names, never an error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace devrun::volume {

inline constexpr size_t kElfHeadBytes = 4096;  // enough of a file's beginning for is_elf

// Little-endian, 64 bits.
bool is_elf(std::string_view head);

// Bytes of the file; fewer, or none, if they cannot be had.
using ReadBytes = std::function<std::string(uint64_t offset, uint64_t size)>;

// At most 512 names, none with a slash.
std::vector<std::string> elf_needed(const ReadBytes& read);

}  // namespace devrun::volume
