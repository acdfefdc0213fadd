#include "controller/storage/store_records.h"

#include <filesystem>
#include <vector>

#include "common/runtime/file.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/record_folders.h"

namespace devrun::storage {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLogBytesMax = size_t{1} << 30;

// What has gone meanwhile was of no importance any more.
Status copy_if_there(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (!fs::is_regular_file(from, failed)) return ok();
  TRY(make_folders(to.parent_path().string(), 0700));
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, failed);
  if (failed && fs::exists(from)) return failed_at(to, failed);
  return ok();
}

// Somebody may be adding a line; what has no end yet was not acknowledged.
Status copy_log_if_there(const fs::path& from, const fs::path& to) {
  Result<std::string> text = read_file(from.string(), kLogBytesMax);
  if (!text && text.error().code == Code::kNotFound) return ok();
  if (!text) return text.error();
  text->resize(text->find_last_of('\n') + 1);
  TRY(make_folders(to.parent_path().string(), 0700));
  return write_file_atomically(to.string(), *text, 0600);
}

Status copy_tree(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (!fs::is_directory(from, failed)) return ok();
  auto at = fs::recursive_directory_iterator(from, failed);
  if (failed) return failed_at(from, failed);
  for (const auto end = fs::recursive_directory_iterator(); at != end; at.increment(failed)) {
    if (failed) return failed_at(from, failed);
    TRY(copy_if_there(at->path(), to / at->path().lexically_relative(from)));
  }
  return ok();
}

Status copy_change_sets(const fs::path& from, const fs::path& to) {
  for (const std::string& job : TRY(folders_in(from))) {
    for (const std::string& attempt : TRY(folders_in(from / job))) {
      TRY(copy_if_there(from / job / attempt / "changes", to / job / attempt / "changes"));
    }
  }
  return ok();
}

}  // namespace

Result<size_t> copy_records(const std::string& store, const std::string& folder) {
  const fs::path from = store;
  const fs::path to = folder;
  const std::vector<std::string> volumes = TRY(volume_folders(from / "volumes"));
  for (const std::string& volume : volumes) {
    for (const std::string_view record : kOfVolume) {
      const fs::path path = fs::path("volumes") / volume / record;
      TRY(record == kLogOfVolume ? copy_log_if_there(from / path, to / path)
                                 : copy_if_there(from / path, to / path));
    }
  }
  TRY(copy_tree(from / "setups", to / "setups"));
  TRY(copy_change_sets(from / "jobs", to / "jobs"));
  TRY(copy_tree(from / "export/trees", to / "export/trees"));
  TRY(copy_tree(from / "export/packs", to / "export/packs"));
  return volumes.size();
}

// Those that come meanwhile may be missing in it, and nothing that it has is collected before it is there, too.
Result<size_t> FolderStorage::save_records(const std::string& folder) {
  const std::lock_guard collecting(collect_mutex_);
  settle_all();
  return copy_records(store_, folder);
}

}  // namespace devrun::storage
