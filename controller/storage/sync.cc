#include "controller/storage/sync.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>
#include <thread>

#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::storage {

namespace {

// At once, so that they share the file system's commits and the device's flushes.
constexpr size_t kThreadsMax = 8;

Status sync_file(const std::string& path, bool with_all) {
  const Result<UniqueFd> fd = open_file(path, O_RDONLY);
  if (!fd && fd.error().code == Code::kNotFound) return ok();
  if (!fd) return fd.error();
  if ((with_all ? ::syncfs(fd->get()) : ::fsync(fd->get())) != 0) {
    return errno_error(fmt::format("sync {}", path), errno);
  }
  return ok();
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::set<std::string> folders_of(const std::vector<std::string>& paths) {
  std::set<std::string> out;
  for (const std::string& path : paths) out.insert(path.substr(0, path.rfind('/')));
  return out;
}

}  // namespace

Status sync_files(const std::vector<std::string>& paths) {
  if (paths.size() > kSyncedSinglyMax) {
    const auto some = std::find_if(paths.begin(), paths.end(), exists);
    return some == paths.end() ? ok() : sync_file(*some, true);
  }
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  Status all = ok();
  const auto work = [&] {
    for (size_t i = next++; i < paths.size(); i = next++) {
      Status synced = sync_file(paths[i], false);
      if (synced) continue;
      const std::lock_guard lock(mutex);
      all = synced;
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(paths.size(), kThreadsMax); ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  return all;
}

Status sync_folders_of(const std::vector<std::string>& paths) {
  const std::set<std::string> folders = folders_of(paths);
  return sync_files({folders.begin(), folders.end()});
}

// In no order, since nothing counts before all have returned.
Status sync_with_folders(const std::vector<std::string>& paths) {
  std::vector<std::string> all = paths;
  const std::set<std::string> folders = folders_of(paths);
  all.insert(all.end(), folders.begin(), folders.end());
  return sync_files(all);
}

}  // namespace devrun::storage
