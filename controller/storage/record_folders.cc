#include "controller/storage/record_folders.h"

#include <fmt/format.h>

#include "controller/storage/removed.h"
#include "controller/storage/storage.h"

namespace devrun::storage {

namespace fs = std::filesystem;

Error failed_at(const fs::path& path, const std::error_code& failed) {
  return {Code::kIo, fmt::format("{}: {}", path.string(), failed.message()), {}};
}

Result<std::vector<std::string>> folders_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  if (!fs::is_directory(folder, failed)) return out;
  for (auto at = fs::directory_iterator(folder, failed); !failed && at != fs::directory_iterator();
       at.increment(failed)) {
    std::error_code ignored;
    if (at->is_directory(ignored)) out.push_back(at->path().filename().string());
  }
  if (failed) return failed_at(folder, failed);
  return out;
}

Result<std::vector<std::string>> volume_folders(const fs::path& volumes) {
  std::vector<std::string> out;
  for (const std::string& name : TRY(folders_in(volumes))) {
    if (check_volume_name(name)) out.push_back(name);
  }
  const std::string removed(kRemovedFolder);
  for (const std::string& name : TRY(folders_in(volumes / removed))) {
    out.push_back(removed + "/" + name);
  }
  return out;
}

}  // namespace devrun::storage
