// Putting a store's records back (store_records.h): what others refer to first, each file whole under its name or not at all,
// and nothing whose bytes the store has no more.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/catalog.h"
#include "controller/storage/change_record.h"
#include "controller/storage/record_folders.h"
#include "controller/storage/records.h"
#include "controller/storage/store_records.h"
#include "controller/storage/whole_trees.h"

namespace devrun::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kRestoring = ".restoring";
// More snapshots than a volume gets between two backups.
constexpr uint64_t kNumbersSkipped = 10'000;
constexpr size_t kCompared = 1 << 20;
constexpr size_t kLogBytesMax = size_t{1} << 30;

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
      : from_(std::move(from)),
        store_(std::move(store)),
        tell_(tell),
        whole_((from_ / "export").string(), (store_ / "export").string()) {}

  Result<PutRecords> run() {
    TRY(each_below("export/packs", [this](const fs::path& path) { return put(path); }));
    TRY(each_below("export/trees", [this](const fs::path& path) { return put_tree(path); }));
    TRY(each_below("setups", [this](const fs::path& path) { return put_setup(path); }));
    TRY(put_change_sets());
    for (const std::string& volume : TRY(volume_folders(from_ / "volumes"))) TRY(of_volume(volume));
    const UniqueFd root = TRY(open_file(store_.string(), O_RDONLY | O_DIRECTORY));
    if (::syncfs(root.get()) != 0) return errno_error("sync the store", errno);
    return done_;
  }

 private:
  bool is_there(const fs::path& path) const {
    std::error_code failed;
    return fs::exists(store_ / path, failed);
  }
  bool has_tree(const Digest& tree) const {
    return is_there(fs::path("export") / tree::manifest_path(tree));
  }

  Status put_tree(const fs::path& path) {
    const auto tree = Digest::from_hex(path.filename().string());
    if (!tree || is_there(path) || TRY(whole_.is_whole(*tree))) return put(path);
    ++done_.collected;
    return ok();
  }

  // What a step read comes with its record, before it.
  Status put_setup(const fs::path& path) {
    if (path.extension() != ".json") return ok();
    if (!is_there(path)) {
      const std::string text = TRY(read_file((from_ / path).string()));
      const auto json = nlohmann::json::parse(text, nullptr, false);
      for (const char* name : {"plain", "left"}) {
        const auto tree = Digest::from_hex(json.is_object() ? json.value(name, "") : "");
        if (tree && has_tree(*tree)) continue;
        ++done_.collected;
        return ok();
      }
    }
    fs::path reads = path;
    reads.replace_extension(".reads");
    std::error_code failed;
    if (fs::exists(from_ / reads, failed)) TRY(put(reads));
    return put(path);
  }

  Status put_change_sets() {
    const std::string jobs = (from_ / "jobs").string();
    for (const AttemptKey& key : TRY(all_change_sets(jobs))) {
      const fs::path path = fs::path(attempt_folder("jobs", key)) / "changes";
      const Result<ChangeSet> set = read_change_set(jobs, key);
      const bool has_trees =
          set && has_tree(set->root) && has_tree(set->left) && has_tree(set->taken);
      if (has_trees || is_there(path)) {
        TRY(put(path));
      } else {
        ++done_.collected;
      }
    }
    return ok();
  }

  Status of_volume(const std::string& volume) {
    const fs::path folder = fs::path("volumes") / volume;
    std::error_code failed;
    if (!fs::is_directory(store_ / folder / "live", failed)) {
      ++done_.volumes_gone;
      tell_(fmt::format("the files of volume '{}' are not in the store", volume));
      return ok();
    }
    for (const std::string_view record : kOfVolume) {
      const fs::path path = folder / record;
      if (!fs::exists(from_ / path, failed)) continue;
      const uint64_t different = done_.different;
      TRY(record == kLogOfVolume      ? put_log(folder)
          : record == kNewestOfVolume ? put_newest(folder)
                                      : put(path));
      if (done_.different != different) {
        tell_(fmt::format("{} stays as it is, which is not as in the backup", path.string()));
      }
    }
    return ok();
  }

  // Without one the next snapshot is taken as the first.
  Status put_newest(const fs::path& folder) {
    const fs::path path = folder / kNewestOfVolume;
    const auto newest = read_newest_record((from_ / folder).string());
    const bool usable = newest && *newest && has_tree((*newest)->tree);
    if (usable || is_there(path)) return put(path);
    ++done_.collected;
    return ok();
  }

  // At once with the number from which to go on, as the catalog writes it after it was made anew: who is killed in between
  // has put back nothing.
  Status put_log(const fs::path& folder) {
    const fs::path path = folder / kLogOfVolume;
    std::string text = TRY(read_file((from_ / path).string(), kLogBytesMax));
    text.resize(text.find_last_of('\n') + 1);
    if (is_there(path)) {
      const std::string there = TRY(read_file((store_ / path).string(), kLogBytesMax));
      ++(there.starts_with(text) ? done_.there : done_.different);
      return ok();
    }
    const std::unique_ptr<Catalog> catalog = TRY(Catalog::open_to_read((from_ / folder).string()));
    for (const SnapshotRecord& one : catalog->records()) {
      if (has_tree(one.tree)) continue;
      ++done_.collected;
      text += fmt::format("{{\"remove\":{}}}\n", one.number);
    }
    text += fmt::format("{{\"last_number\":{}}}\n", catalog->last_number() + kNumbersSkipped);
    TRY(make_folders((store_ / path).parent_path().string(), 0700));
    TRY(write_file_durably((store_ / path).string(), text, 0600));
    ++done_.written;
    return ok();
  }

  Status each_below(const fs::path& part, const std::function<Status(const fs::path&)>& of_file) {
    std::error_code failed;
    if (!fs::is_directory(from_ / part, failed)) return ok();
    auto at = fs::recursive_directory_iterator(from_ / part, failed);
    if (failed) return failed_at(from_ / part, failed);
    for (const auto end = fs::recursive_directory_iterator(); at != end; at.increment(failed)) {
      if (failed) return failed_at(from_ / part, failed);
      std::error_code ignored;
      if (at->is_regular_file(ignored)) TRY(of_file(at->path().lexically_relative(from_)));
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
  WholeTrees whole_;
  PutRecords done_;
};

}  // namespace

Result<PutRecords> put_records(const std::string& folder, const std::string& store,
                               const std::function<void(std::string_view)>& tell) {
  std::error_code failed;
  if (!fs::is_directory(fs::path(folder) / "volumes", failed)) {
    return Error{Code::kNotFound, fmt::format("there are no records of a store in {}", folder), {}};
  }
  TRY(make_folders(store, 0700));
  return Putting(folder, store, tell).run();
}

}  // namespace devrun::storage
