#include "controller/storage/fsck.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <map>
#include <set>

#include "common/runtime/file.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"
#include "controller/storage/body_check.h"
#include "controller/storage/catalog.h"
#include "controller/storage/change_record.h"
#include "controller/storage/export_files.h"
#include "controller/storage/records.h"
#include "controller/storage/removed.h"
#include "controller/storage/snapshot_folder.h"
#include "controller/storage/storage.h"
#include "controller/storage/tree_walk.h"

namespace devrun::storage {

namespace {

constexpr size_t kChunkHashBytes = 32;

class Check {
 public:
  Check(const std::string& store, const CheckOptions& options,
        const std::function<void(std::string_view)>& problem)
      : store_(store), options_(options), tell_(problem), files_(store + "/export") {}

  Result<CheckReport> run() {
    const UniqueFd volumes = TRY(open_file(store_ + "/volumes", O_RDONLY | O_DIRECTORY));
    for (const NameAndInode& entry : TRY(read_names(volumes.get()))) {
      if (!check_volume_name(entry.name)) continue;
      ++report_.volumes;
      check_volume(entry.name, fmt::format("{}/volumes/{}", store_, entry.name));
    }
    if (const auto removed = removed_folders(store_ + "/volumes")) {
      for (const RemovedFolder& one : *removed) {
        check_volume(fmt::format("{} (removed)", one.name), one.folder);
      }
    }
    check_change_sets();
    for (const auto& [tree, owner] : trees_) check_tree(tree, owner);
    for (const auto& [body, size_and_path] : bodies_) {
      check_stored(body, size_and_path.first, size_and_path.second);
    }
    return report_;
  }

 private:
  void problem(const std::string& line) {
    ++report_.problems;
    tell_(line);
  }

  void check_volume(const std::string& name, const std::string& folder) {
    const Result<VolumeRecord> record = read_volume_record(folder);
    if (!record) problem(fmt::format("volume {}: {}", name, record.error().message));
    struct stat st {};
    if (::lstat((folder + "/live").c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
      problem(fmt::format("volume {}: its live tree is not there", name));
    }
    const Result<std::optional<NewestRecord>> newest = read_newest_record(folder);
    if (!newest) {
      problem(fmt::format("volume {}: {}", name, newest.error().message));
    } else if (*newest) {
      trees_.emplace((*newest)->tree, fmt::format("the newest snapshot of volume {}", name));
    }
    const Result<std::unique_ptr<Catalog>> catalog = Catalog::open_to_read(folder);
    if (!catalog) return problem(fmt::format("volume {}: {}", name, catalog.error().message));
    for (const SnapshotRecord& one : (*catalog)->records()) {
      ++report_.snapshots;
      trees_.emplace(one.tree, fmt::format("{}@{}", name, one.number));
    }
  }

  // Those of jobs of long ago were collected.
  void check_change_sets() {
    const std::string jobs = store_ + "/jobs";
    const Result<std::vector<AttemptKey>> keys = all_change_sets(jobs);
    if (!keys) return problem(keys.error().message);
    for (const AttemptKey& key : *keys) {
      const Result<ChangeSet> set = read_change_set(jobs, key);
      if (!set) {
        problem(fmt::format("the change set of {}: {}", to_string(key), set.error().message));
        continue;
      }
      for (const Digest& tree : {set->left, set->taken}) {
        if (::access(files_path(tree::manifest_path(tree)).c_str(), F_OK) != 0) continue;
        trees_.emplace(tree, fmt::format("the change set of {}", to_string(key)));
      }
    }
  }

  void check_tree(const Digest& tree, const std::string& owner) {
    ++report_.trees;
    const Result<tree::Manifest> manifest = files_.manifest(tree);
    if (!manifest) return problem(fmt::format("{}: {}", owner, manifest.error().message));
    const Status walked = walk_.walk(*manifest, [&](const tree::Entry& entry) -> Status {
      if (entry.type == tree::EntryType::kRegular && entry.body.kind != tree::BodyKind::kInline) {
        bodies_.try_emplace(entry.body, entry.size, fmt::format("{}: {}", owner, entry.name));
      }
      return ok();
    });
    if (!walked) problem(fmt::format("{}: {}", owner, walked.error().message));
  }

  void check_stored(const tree::Body& body, uint64_t size, const std::string& user) {
    ++report_.bodies;
    const std::string path = tree::body_path(body);
    const Result<UniqueFd> file = open_file(files_path(path), O_RDONLY);
    if (!file) {
      return problem(fmt::format("{} is not there, which {} needs", path, user));
    }
    struct stat st {};
    if (::fstat(file->get(), &st) != 0 || static_cast<uint64_t>(st.st_size) != size) {
      return problem(
          fmt::format("{} has {} bytes instead of {}; {} needs it", path, st.st_size, size, user));
    }
    if (options_.data) {
      if (const Status right = check_body(file->get(), size, body); !right) {
        problem(fmt::format("{}: {}; {} needs it", path, right.error().message, user));
      }
    }
    if (body.kind == tree::BodyKind::kChunked && size > tree::kChunkBytes) check_list(body, size);
  }

  void check_list(const tree::Body& body, uint64_t size) {
    const std::string path = tree::chunk_list_path(body);
    const uint64_t chunks = (size + tree::kChunkBytes - 1) / tree::kChunkBytes;
    const Result<std::string> list = read_file(files_path(path));
    if (!list || list->size() != chunks * kChunkHashBytes ||
        tree::sha256(*list).view() != body.id) {
      problem(fmt::format("{} is damaged or missing", path));
    }
  }

  std::string files_path(const std::string& relative) const {
    return fmt::format("{}/export/{}", store_, relative);
  }

  const std::string store_;
  const CheckOptions options_;
  const std::function<void(std::string_view)>& tell_;
  const ExportFiles files_;
  TreeWalk walk_{files_};
  CheckReport report_;
  std::map<Digest, std::string> trees_;                            // and who needs each
  std::map<tree::Body, std::pair<uint64_t, std::string>> bodies_;  // size, and who needs it
};

}  // namespace

Result<CheckReport> check_store(const std::string& store, const CheckOptions& options,
                                const std::function<void(std::string_view)>& problem) {
  return Check(store, options, problem).run();
}

}  // namespace devrun::storage
