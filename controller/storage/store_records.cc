#include "controller/storage/store_records.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

#include "common/runtime/file.h"
#include "controller/storage/catalog.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/removed.h"

namespace devrun::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kOfVolume[] = {"volume.json", "newest.json", "paths.json",
                                          "snapshots/log"};
constexpr const char* kLog = "snapshots/log";
constexpr std::string_view kRestoring = ".restoring";
// More snapshots than a volume gets between two backups.
constexpr uint64_t kNumbersSkipped = 10'000;
constexpr size_t kCompared = 1 << 20;

Error failed_at(const fs::path& path, const std::error_code& failed) {
  return {Code::kIo, fmt::format("{}: {}", path.string(), failed.message()), {}};
}

// What has gone meanwhile was of no importance any more.
Status copy_if_there(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (!fs::is_regular_file(from, failed)) return ok();
  TRY(make_folders(to.parent_path().string(), 0700));
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, failed);
  if (failed && fs::exists(from)) return failed_at(to, failed);
  return ok();
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

// Folders of volumes, removed ones too, from volumes/.
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

Status copy_change_sets(const fs::path& from, const fs::path& to) {
  for (const std::string& job : TRY(folders_in(from))) {
    for (const std::string& attempt : TRY(folders_in(from / job))) {
      TRY(copy_if_there(from / job / attempt / "changes", to / job / attempt / "changes"));
    }
  }
  return ok();
}

bool are_equal(const fs::path& one, const fs::path& other) {
  std::error_code failed;
  if (fs::file_size(one, failed) != fs::file_size(other, failed) || failed) return false;
  std::ifstream a(one, std::ios::binary);
  std::ifstream b(other, std::ios::binary);
  std::string left(kCompared, '\0');
  std::string right(kCompared, '\0');
  while (a && b) {
    a.read(left.data(), kCompared);
    b.read(right.data(), kCompared);
    if (a.gcount() != b.gcount()) return false;
    const auto n = static_cast<size_t>(a.gcount());
    if (std::string_view(left).substr(0, n) != std::string_view(right).substr(0, n)) return false;
  }
  return true;
}

class Putting {
 public:
  Putting(std::string from, std::string store, const std::function<void(std::string_view)>& tell)
      : from_(std::move(from)), store_(std::move(store)), tell_(tell) {}

  Result<PutRecords> run() {
    // What records refer to comes before them.
    for (const char* part : {"export/packs", "export/trees", "setups", "jobs"}) TRY(all_of(part));
    for (const std::string& volume : TRY(volume_folders(from_ / "volumes"))) TRY(of_volume(volume));
    const UniqueFd root = TRY(open_file(store_.string(), O_RDONLY | O_DIRECTORY));
    if (::syncfs(root.get()) != 0) return errno_error("sync the store", errno);
    return done_;
  }

 private:
  Status of_volume(const std::string& volume) {
    std::error_code failed;
    const fs::path folder = fs::path("volumes") / volume;
    if (!fs::is_directory(store_ / folder / "live", failed)) {
      ++done_.volumes_gone;
      tell_(fmt::format("the files of volume '{}' are not in the store", volume));
      return ok();
    }
    for (const std::string_view record : kOfVolume) {
      const fs::path path = folder / record;
      if (!fs::exists(from_ / path, failed)) continue;
      const uint64_t different = done_.different;
      const uint64_t written = done_.written;
      TRY(put(path));
      if (done_.different != different) {
        tell_(fmt::format("{} stays as it is, which is not as in the backup", path.string()));
      }
      if (record == kLog && done_.written != written) TRY(skip_numbers(store_ / folder));
    }
    return ok();
  }

  // As the catalog writes it after it was made anew.
  static Status skip_numbers(const fs::path& folder) {
    const std::unique_ptr<Catalog> catalog = TRY(Catalog::open_to_read(folder.string()));
    const std::string line =
        fmt::format("{{\"last_number\":{}}}\n", catalog->last_number() + kNumbersSkipped);
    const UniqueFd file = TRY(open_file((folder / kLog).string(), O_WRONLY | O_APPEND));
    return write_all(file.get(), line);
  }

  Status all_of(const fs::path& part) {
    std::error_code failed;
    if (!fs::is_directory(from_ / part, failed)) return ok();
    auto at = fs::recursive_directory_iterator(from_ / part, failed);
    if (failed) return failed_at(from_ / part, failed);
    for (const auto end = fs::recursive_directory_iterator(); at != end; at.increment(failed)) {
      if (failed) return failed_at(from_ / part, failed);
      std::error_code ignored;
      if (at->is_regular_file(ignored)) TRY(put(at->path().lexically_relative(from_)));
    }
    return ok();
  }

  Status put(const fs::path& path) {
    std::error_code failed;
    const fs::path to = store_ / path;
    if (fs::exists(to, failed)) {
      ++(are_equal(from_ / path, to) ? done_.there : done_.different);
      return ok();
    }
    const bool is_exported = path.string().starts_with("export/");
    TRY(make_folders(to.parent_path().string(), is_exported ? 0755 : 0700));
    const fs::path half = to.string() + std::string(kRestoring);
    fs::copy_file(from_ / path, half, fs::copy_options::overwrite_existing, failed);
    if (failed) return failed_at(half, failed);
    const UniqueFd file = TRY(open_file(half.string(), O_RDONLY));
    if (::fsync(file.get()) != 0) return errno_error("sync " + half.string(), errno);
    fs::rename(half, to, failed);
    if (failed) return failed_at(to, failed);
    ++done_.written;
    return ok();
  }

  const fs::path from_;
  const fs::path store_;
  const std::function<void(std::string_view)>& tell_;
  PutRecords done_;
};

}  // namespace

Result<size_t> copy_records(const std::string& store, const std::string& folder) {
  const fs::path from = store;
  const fs::path to = folder;
  const std::vector<std::string> volumes = TRY(volume_folders(from / "volumes"));
  for (const std::string& volume : volumes) {
    for (const std::string_view record : kOfVolume) {
      const fs::path path = fs::path("volumes") / volume / record;
      TRY(copy_if_there(from / path, to / path));
    }
  }
  TRY(copy_tree(from / "setups", to / "setups"));
  TRY(copy_change_sets(from / "jobs", to / "jobs"));
  TRY(copy_tree(from / "export/trees", to / "export/trees"));
  TRY(copy_tree(from / "export/packs", to / "export/packs"));
  return volumes.size();
}

Result<PutRecords> put_records(const std::string& folder, const std::string& store,
                               const std::function<void(std::string_view)>& tell) {
  std::error_code failed;
  if (!fs::is_directory(fs::path(folder) / "volumes", failed)) {
    return Error{Code::kNotFound, fmt::format("there are no records of a store in {}", folder), {}};
  }
  TRY(make_folders(store, 0700));
  return Putting(folder, store, tell).run();
}

// Those that come meanwhile may be missing in it, and nothing that it has is collected before it is there, too.
Result<size_t> FolderStorage::save_records(const std::string& folder) {
  const std::lock_guard collecting(collect_mutex_);
  settle_all();
  return copy_records(store_, folder);
}

}  // namespace devrun::storage
