// Files of the driver's user side, which must be those of the kernel module and so are the node's, never the volume's.
// They are bound one by one below /run/nvidia in a container: in its tree they would be writes, and /run is a tmpfs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace devrun::gpu {

inline constexpr std::string_view kLibraryFolder = "/run/nvidia/lib";
inline constexpr std::string_view kProgramFolder = "/run/nvidia/bin";

struct BoundFile {
  std::string source;  // on the node
  std::string target;  // in the container
  bool operator==(const BoundFile&) const = default;
};

// The library of that name below `driver_root`, in the folders where distributions have them; empty if there is none.
std::string find_library(const std::string& driver_root, std::string_view name);

// What CUDA programs need of an installed driver.
std::vector<BoundFile> find_driver_files(const std::string& driver_root);

// Where a library is bound: under its own name, and under the one that programs ask the loader for (DT_SONAME).
std::vector<BoundFile> bound_library(const std::string& source);

}  // namespace devrun::gpu
