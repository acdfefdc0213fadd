// The name under which programs ask the loader for a library: DT_SONAME of a 64-bit ELF file.
#pragma once

#include <string>

namespace devrun::gpu {

// Empty if the file has none, or is nothing of this kind.
std::string soname_of(const std::string& path);

}  // namespace devrun::gpu
