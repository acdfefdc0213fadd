#include "controller/storage/sync.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::storage {

namespace {
constexpr size_t kSyncedSinglyMax = 64;
}

Status sync_files(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const Result<UniqueFd> fd = open_file(path, O_RDONLY);
    if (!fd && fd.error().code == Code::kNotFound) continue;
    if (!fd) return fd.error();
    const bool all = paths.size() > kSyncedSinglyMax;
    if ((all ? ::syncfs(fd->get()) : ::fsync(fd->get())) != 0) {
      return errno_error(fmt::format("sync {}", path), errno);
    }
    if (all) break;
  }
  return ok();
}

Status sync_folders_of(const std::vector<std::string>& paths) {
  std::set<std::string> folders;
  for (const std::string& path : paths) folders.insert(path.substr(0, path.rfind('/')));
  return sync_files({folders.begin(), folders.end()});
}

}  // namespace devrun::storage
