// Snapshots by name: listing, keeping, comparing, restoring, and collecting what nobody needs.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "controller/storage/apply_tree.h"
#include "controller/storage/body_check.h"
#include "controller/storage/clock.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/removed.h"
#include "controller/storage/tree_walk.h"

namespace devrun::storage {

namespace {

// Bodies of all volumes, each once.
struct KnownBody {
  uint64_t size = 0;
  uint32_t volumes = 0;  // that have it
};
using KnownBodies = std::unordered_map<uint64_t, KnownBody>;
using BodyKeys = std::unordered_set<uint64_t>;

void count_body(const tree::Entry& entry, BodyKeys& of_volume, KnownBodies& all) {
  if (entry.body.kind == tree::BodyKind::kInline) return;
  uint64_t key = 0;
  std::memcpy(&key, entry.body.id.data(), sizeof key);
  if (!of_volume.insert(key).second) return;
  KnownBody& body = all[key];
  body.size = entry.size;
  ++body.volumes;
}

// The bodies of all of a volume's snapshots, newest first.
Status walk_volume(const ExportFiles& files, Volume& volume, const TreeWalk::EntrySink& sink) {
  TreeWalk walk(files);
  const std::vector<SnapshotRecord> records = volume.catalog().records();
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const Result<tree::Manifest> manifest = files.manifest(record->tree);
    if (!manifest && manifest.error().code == Code::kNotFound) continue;  // collected meanwhile
    if (!manifest) return manifest.error();
    TRY(walk.walk(*manifest, sink));
  }
  return ok();
}

}  // namespace

Result<std::vector<SnapshotRecord>> FolderStorage::snapshots(const std::string& volume) {
  const std::shared_ptr<Volume> found = TRY(find(volume));
  TRY(found->settle());
  return found->catalog().records();
}

Result<SnapshotRecord> FolderStorage::find_snapshot(const SnapshotName& name) {
  return TRY(find(name.volume))->find_snapshot(name.snapshot);
}

Result<SnapshotRecord> FolderStorage::keep_snapshot(const std::string& volume,
                                                    const std::string& message) {
  const std::shared_ptr<Volume> found = TRY(find(volume));
  TRY(refuse_if_full(volume));
  return found->keep_snapshot(message);
}

Result<SnapshotRecord> FolderStorage::remove_snapshot(const SnapshotName& name) {
  const std::shared_ptr<Volume> volume = TRY(find(name.volume));
  Result<SnapshotRecord> out = Error{Code::kNotFound, "not removed", {}};
  TRY(reserve_.with([&]() -> Status {
    out = volume->remove_snapshot(name.snapshot);
    return out ? ok() : Status(out.error());
  }));
  return out;
}

Result<FolderStorage::OpenTree> FolderStorage::open_tree(const SnapshotName& name) {
  OpenTree out;
  out.volume = TRY(find(name.volume));
  std::string number = name.snapshot;
  if (number.empty()) number = std::to_string(TRY(take_snapshot(name.volume)).number);
  out.record = TRY(out.volume->find_snapshot(number));
  out.manifest = TRY(files_.manifest(out.record.tree));
  out.objects = TRY(out.volume->objects_of(out.manifest));
  return out;
}

Result<Restored> FolderStorage::restore(const SnapshotName& name,
                                        const std::vector<std::string>& paths, Work& work) {
  // A snapshot that fails for want of room leaves clones of what it had read.
  TRY(refuse_if_full(name.volume));
  const OpenTree wanted = TRY(open_tree(name));
  for (const std::string& path : paths) {
    Result<tree::Entry> there = tree::find_entry(wanted.ref(), path);
    if (!there) {
      return std::move(there).error().context(
          fmt::format("{}@{}", name.volume, wanted.record.number));
    }
  }
  Restored out;
  out.before = TRY(wanted.volume->keep_snapshot(
      fmt::format("before restoring {}@{}", name.volume, wanted.record.number)));
  work.tell(fmt::format("what is there now is kept as {}@{}", name.volume, out.before.number));
  reach(fault_, "restore.kept");
  const OpenTree now = TRY(open_tree({name.volume, std::to_string(out.before.number)}));
  const UniqueFd live = TRY(wanted.volume->open_live());
  BodyContents contents(export_path());
  TreeWriter writer(live.get(), contents);
  TRY(apply_tree({now.ref(), wanted.ref(), paths}, writer, work, fault_));
  if (::syncfs(live.get()) != 0) return errno_error("syncfs", errno);
  out.entries = writer.entries();
  return out;
}

Status FolderStorage::diff(
    const SnapshotName& before, const SnapshotName& after,
    const std::function<Status(const SnapshotRecord&, const SnapshotRecord&)>& begin,
    const DifferenceSink& sink) {
  const OpenTree one = TRY(open_tree(before));
  const OpenTree other = TRY(open_tree(after));
  TRY(begin(one.record, other.record));
  return tree::diff_trees(one.ref(), other.ref(), {}, sink);
}

Status FolderStorage::read_file(const SnapshotName& name, const std::string& path,
                                uint64_t bytes_max, const BytesSink& sink) {
  const OpenTree tree = TRY(open_tree(name));
  return read_body(TRY(tree::find_entry(tree.ref(), path)), path, bytes_max, sink);
}

Status FolderStorage::read_body(const tree::Entry& entry, const std::string& path,
                                uint64_t bytes_max, const BytesSink& sink) const {
  if (entry.type != tree::EntryType::kRegular) {
    return Error{Code::kInvalid, fmt::format("/{} is no regular file", path), {}};
  }
  if (entry.size > bytes_max) {
    return Error{Code::kExhausted,
                 fmt::format("/{} has {} bytes, more than {}", path, entry.size, bytes_max),
                 {}};
  }
  if (entry.size == 0) return ok();
  if (entry.body.kind == tree::BodyKind::kInline) return sink(entry.body.id);
  const std::string stored = tree::body_path(entry.body);
  const UniqueFd file = TRY(open_file(export_path() + "/" + stored, O_RDONLY));
  if (Status right = check_body(file.get(), entry.size, entry.body); !right) {
    return std::move(right).error().context(
        fmt::format("/{}: {} in the store is damaged", path, stored));
  }
  std::string buffer(tree::kChunkBytes, '\0');
  for (off_t at = 0;;) {
    const ssize_t n = ::pread(file.get(), buffer.data(), buffer.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read", errno);
    if (n == 0) return ok();
    TRY(sink(std::string_view(buffer).substr(0, static_cast<size_t>(n))));
    at += n;
  }
}

Result<StoreUsage> FolderStorage::usage() {
  StoreUsage out;
  KnownBodies all;
  std::vector<BodyKeys> of_volumes;
  for (const std::shared_ptr<Volume>& volume : all_volumes()) {
    TRY(volume->settle());
    BodyKeys& keys = of_volumes.emplace_back();
    const auto count = [&](const tree::Entry& entry) -> Status {
      count_body(entry, keys, all);
      return ok();
    };
    TRY(walk_volume(files_, *volume, count));
    const VolumeInfo info = volume->info();
    out.volumes.push_back({info.name, info.newest.bytes, 0, 0, info.snapshots, info.quota_bytes});
  }
  for (size_t i = 0; i < of_volumes.size(); ++i) {
    for (const uint64_t key : of_volumes[i]) {
      const KnownBody& body = all.at(key);
      VolumeUsage& usage = out.volumes[i];
      (body.volumes > 1 ? usage.shared_bytes : usage.own_bytes) += static_cast<int64_t>(body.size);
    }
  }
  struct statvfs info {};
  if (::statvfs(store_.c_str(), &info) != 0) return errno_error("statvfs", errno);
  out.store_bytes = static_cast<int64_t>(info.f_blocks * info.f_frsize);
  out.store_free_bytes = static_cast<int64_t>(info.f_bavail * info.f_frsize);
  return out;
}

// Roots are gathered after it is noted what builds use: whatever becomes one meanwhile was noted.
Result<Collected> FolderStorage::collect(const CollectRequest& request) {
  const std::lock_guard collecting(collect_mutex_);
  reserve_.fill();  // if the last run made room
  Collected out;
  for (const RemovedFolder& folder : TRY(removed_folders(store_ + "/volumes"))) {
    if (folder.removed + kRemovedKept > clock_now()) continue;
    // What cannot be deleted stays a root below, and must not keep all else from being collected.
    if (Status gone = delete_volume_folder(*driver_, folder.folder); !gone) {
      log::warning("{}", gone.error().message);
      continue;
    }
    ++out.volumes;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!damaged_.empty()) {
      return Error{Code::kConflict,
                   fmt::format("nothing is collected while volume '{}' is damaged: what it needs "
                               "is not known",
                               damaged_.begin()->first),
                   "devrun-controller fsck"};
    }
  }
  bodies_.uses().forget_ended();
  const JobTrees jobs = request.job_trees ? TRY(request.job_trees()) : JobTrees{};
  std::vector<Digest> roots;
  for (const std::shared_ptr<Volume>& volume : all_volumes()) {
    const std::vector<uint64_t> old = volume->collectable(request.retention, jobs, clock_now());
    TRY(reserve_.with([&] { return volume->forget_snapshots(old); }));
    out.snapshots += old.size();
    reach(fault_, "collect.forgot");
    for (const Digest& tree : volume->trees_in_hand()) roots.push_back(tree);
    const std::vector<SnapshotRecord> records = volume->catalog().records();
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      roots.push_back(record->tree);
    }
  }
  for (const RemovedFolder& folder : TRY(removed_folders(store_ + "/volumes"))) {
    if (const auto newest = TRY(read_newest_record(folder.folder))) roots.push_back(newest->tree);
    for (const SnapshotRecord& record : TRY(Catalog::open(folder.folder))->records()) {
      roots.push_back(record.tree);
    }
  }
  roots.insert(roots.end(), jobs.begin(), jobs.end());
  const std::vector<Digest> of_change_sets = TRY(trees_of_change_sets(request, jobs));
  roots.insert(roots.end(), of_change_sets.begin(), of_change_sets.end());
  for (const SetupRecord& kept : TRY(setups_.collect(request.retention.age, clock_now()))) {
    roots.push_back(kept.plain);
    roots.push_back(kept.left);
  }
  Pace pace(request.stop, request.rest);
  TRY(collector_.run(roots, pace, out));
  return out;
}

}  // namespace devrun::storage
