#include "cli/commands/program_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace devrun::cli {

namespace {

bool is_executable(const std::string& file) {
  struct stat info {};
  return ::stat(file.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(file.c_str(), X_OK) == 0;
}

}  // namespace

bool is_program(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return is_executable(name);
  while (!name.empty() && !path.empty()) {
    const size_t colon = std::min(path.find(':'), path.size());
    const std::string folder(colon == 0 ? std::string_view(".") : path.substr(0, colon));
    if (is_executable(folder + "/" + name)) return true;
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  return false;
}

}  // namespace devrun::cli
