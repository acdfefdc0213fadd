#include "controller/storage/removed.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "common/runtime/file.h"
#include "controller/storage/export_files.h"
#include "controller/storage/records.h"
#include "controller/storage/remove_tree.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

std::string removed_folder_name(const std::string& volume, Time removed) {
  return fmt::format("{}.{}", volume, removed.us);
}

Result<std::vector<RemovedFolder>> removed_folders(const std::string& volumes) {
  const std::string path = fmt::format("{}/{}", volumes, kRemovedFolder);
  const UniqueFd folder = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
  std::vector<RemovedFolder> out;
  for (const NameAndInode& entry : TRY(read_names(folder.get()))) {
    const size_t dot = entry.name.rfind('.');
    if (dot == std::string::npos) continue;
    RemovedFolder one{entry.name.substr(0, dot), path + "/" + entry.name, {}};
    const char* const end = entry.name.data() + entry.name.size();
    if (std::from_chars(entry.name.data() + dot + 1, end, one.removed.us).ptr != end) continue;
    out.push_back(std::move(one));
  }
  std::ranges::sort(out, {}, &RemovedFolder::removed);
  return out;
}

Result<std::vector<RemovedBytes>> removed_bytes(const std::string& volumes) {
  const Result<std::vector<RemovedFolder>> folders = removed_folders(volumes);
  if (!folders && folders.error().code == Code::kNotFound) return std::vector<RemovedBytes>();
  if (!folders) return folders.error();
  const ExportFiles files(volumes + "/../export");
  std::vector<RemovedBytes> out;
  for (const RemovedFolder& folder : *folders) {
    const Result<VolumeRecord> record = read_volume_record(folder.folder);
    const auto newest = read_newest_record(folder.folder);
    if (!record || !newest || !*newest) continue;
    const Result<tree::Manifest> manifest = files.manifest((*newest)->tree);
    if (!manifest) continue;
    out.push_back({folder.name, record->owner, static_cast<int64_t>(manifest->bytes)});
  }
  return out;
}

// The trees are what the driver made; everything else is plain files and folders.
Status delete_volume_folder(const Driver& driver, const std::string& path) {
  const UniqueFd folder = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
  for (const NameAndInode& entry : TRY(read_names(folder.get()))) {
    const bool is_tree =
        entry.name == "live" || entry.name == "base" || entry.name.starts_with("pending.");
    TRY(is_tree ? driver.remove(folder.get(), entry.name) : remove_tree(folder.get(), entry.name));
  }
  if (::rmdir(path.c_str()) != 0) return errno_error(fmt::format("delete {}", path), errno);
  return ok();
}

}  // namespace devrun::storage
