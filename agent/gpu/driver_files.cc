#include "agent/gpu/driver_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "agent/gpu/soname.h"

namespace devrun::gpu {

namespace {

constexpr std::array<std::string_view, 7> kLibraryFolders = {
    "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu",   "/usr/lib64", "/lib64", "/usr/lib",
    "/usr/local/nvidia/lib64",   "/opt/nvidia/driver/lib64"};

// For computing: no graphics, no display.
constexpr std::array<std::string_view, 10> kLibraries = {
    "libcuda.so.1",          "libnvidia-ml.so.1",     "libnvidia-ptxjitcompiler.so.1",
    "libnvidia-nvvm.so.4",   "libnvidia-cfg.so.1",    "libnvidia-allocator.so.1",
    "libcudadebugger.so.1",  "libnvidia-opencl.so.1", "libnvidia-pkcs11-openssl3.so.1",
    "libnvidia-gpucomp.so.1"};

constexpr std::array<std::string_view, 3> kPrograms = {"nvidia-smi", "nvidia-debugdump",
                                                       "nvidia-cuda-mps-control"};

std::string below(const std::string& root, std::string_view path) {
  return fmt::format("{}{}", root == "/" ? "" : root, path);
}

}  // namespace

std::string find_library(const std::string& driver_root, std::string_view name) {
  for (const std::string_view folder : kLibraryFolders) {
    std::string path = fmt::format("{}/{}", below(driver_root, folder), name);
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return {};
}

std::vector<BoundFile> bound_library(const std::string& source) {
  // A mount follows the link anyway, so that the file's own name is that of its target.
  char real[PATH_MAX];
  const std::string file = ::realpath(source.c_str(), real) != nullptr ? real : source;
  const std::string name = file.substr(file.rfind('/') + 1);
  const std::string folder = fmt::format("{}/", kLibraryFolder);
  std::vector<BoundFile> out{{file, folder + name}};
  const std::string wanted = soname_of(file);
  if (!wanted.empty() && wanted != name) out.push_back({file, folder + wanted});
  return out;
}

std::vector<BoundFile> find_driver_files(const std::string& driver_root) {
  std::vector<BoundFile> out;
  for (const std::string_view name : kLibraries) {
    const std::string path = find_library(driver_root, name);
    if (path.empty()) continue;
    for (BoundFile& file : bound_library(path)) out.push_back(std::move(file));
  }
  for (const std::string_view name : kPrograms) {
    const std::string path = below(driver_root, "/usr/bin/") + std::string(name);
    if (::access(path.c_str(), X_OK) == 0) {
      out.push_back({path, fmt::format("{}/{}", kProgramFolder, name)});
    }
  }
  return out;
}

}  // namespace devrun::gpu
