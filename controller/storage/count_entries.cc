// A walk that asks for no more than the names, and for the device of folders.
#include "controller/storage/count_entries.h"

#include <sys/stat.h>

#include <filesystem>

namespace devrun::storage {

namespace {

bool is_elsewhere(const std::filesystem::directory_entry& entry, dev_t device) {
  std::error_code error;
  if (!entry.is_directory(error) || entry.is_symlink(error)) return false;
  struct stat st {};
  return ::lstat(entry.path().c_str(), &st) == 0 && st.st_dev != device;
}

}  // namespace

uint64_t count_entries(const std::string& folder, std::optional<dev_t> device) {
  uint64_t out = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; at != end && !error;
       at.increment(error)) {
    ++out;
    if (device && is_elsewhere(*at, *device)) at.disable_recursion_pending();
  }
  return out;
}

}  // namespace devrun::storage
