// Making volumes, adding to them, removing them and bringing them back.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "controller/storage/apply_tree.h"
#include "controller/storage/clock.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/removed.h"
#include "controller/storage/volume_source.h"

namespace devrun::storage {

namespace {

Result<tree::Lineage> random_lineage() {
  tree::Lineage out{};
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) {
    return errno_error("getrandom", errno);
  }
  return out;
}

}  // namespace

Status FolderStorage::reserve(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (volumes_.contains(name) || damaged_.contains(name) || !being_made_.insert(name).second) {
    return Error{Code::kExists, fmt::format("there is a volume '{}' already", name),
                 "devrun volume ls"};
  }
  return ok();
}

void FolderStorage::release(const std::string& name) {
  const std::lock_guard lock(mutex_);
  being_made_.erase(name);
}

Status FolderStorage::copy_volume(const std::string& folder, const VolumeRecord& record,
                                  const SnapshotName& from, Work& work) {
  if (from.snapshot.empty()) {
    TRY(refuse_if_full(from.volume));
    const Status forked = TRY(find(from.volume))->fork_to(folder, record);
    if (forked || forked.error().code != Code::kUnsupported) return forked;
  }
  const OpenTree source = TRY(open_tree(from));
  const UniqueFd parent = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  TRY(driver_->make_live(parent.get(), "live"));
  const UniqueFd live = TRY(open_file(folder + "/live", O_RDONLY | O_DIRECTORY));
  BodyContents contents(export_path());
  TreeWriter writer(live.get(), contents);
  tree::Entry nothing;  // a folder without entries, by the id of none
  nothing.type = tree::EntryType::kDirectory;
  const tree::TreeRef to = source.ref();
  struct Nothing final : tree::DirectoryReader {
    Result<tree::Directory> read(const Digest&) override { return tree::Directory{}; }
  } reader;
  TRY(apply_tree({{reader, nothing}, to, {}}, writer, work, fault_));
  return write_volume_record(folder, record);
}

Status FolderStorage::make_volume(const std::string& folder, const NewVolume& wanted, Work& work) {
  if (::mkdir(folder.c_str(), 0700) != 0) {
    return errno_error(fmt::format("mkdir {}", folder), errno);
  }
  const UniqueFd fd = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  const VolumeRecord record{wanted.name, wanted.owner, TRY(random_lineage()), clock_now(),
                            wanted.quota_bytes};
  if (const auto* const copy = std::get_if<FromVolume>(&wanted.source)) {
    TRY(copy_volume(folder, record, copy->from, work));
    const PathRules paths = TRY(read_path_rules(volume_folder(copy->from.volume)));
    if (!paths.empty()) TRY(write_path_rules(folder, paths));
  } else {
    TRY(driver_->make_live(fd.get(), "live"));
    TRY(fill_volume(folder + "/live", wanted.source, work));
    TRY(write_volume_record(folder, record));
  }
  if (work.stopped()) return Error{Code::kCancelled, "interrupted", {}};
  reach(fault_, "create.filled");
  if (::syncfs(fd.get()) != 0) return errno_error("syncfs", errno);
  if (::rename(folder.c_str(), volume_folder(wanted.name).c_str()) != 0) {
    return errno_error(fmt::format("name volume '{}'", wanted.name), errno);
  }
  reach(fault_, "create.named");
  return sync_folder(store_ + "/volumes");
}

Status FolderStorage::create_volume(const NewVolume& wanted, Work& work) {
  TRY(check_volume_name(wanted.name));
  TRY(reserve(wanted.name));
  const std::string folder = volume_folder(".new." + wanted.name);
  Status made = make_volume(folder, wanted, work);
  if (!made && ::access(folder.c_str(), F_OK) == 0) {
    if (Status gone = delete_volume_folder(*driver_, folder); !gone) {
      log::warning("{}", gone.error().message);
    }
  }
  if (made) made = open_volume(wanted.name);
  release(wanted.name);
  if (made) return made;
  return std::move(made).error().context(fmt::format("cannot create volume '{}'", wanted.name));
}

Status FolderStorage::add_unpacked(Volume& volume, const std::string& unpacked,
                                   const std::string& folder, Work& work) {
  const UniqueFd source = TRY(open_file(unpacked, O_RDONLY | O_DIRECTORY));
  const UniqueFd live = TRY(volume.open_live());
  FolderContents contents(source.get(), folder);
  TreeWriter writer(live.get(), contents);
  reach(fault_, "import.unpacked");
  TRY(add_folder(source.get(), folder, writer, work, fault_));
  work.tell(fmt::format("{} entries, {} MB", writer.entries(), writer.bytes() / 1'000'000));
  if (::syncfs(live.get()) != 0) return errno_error("syncfs", errno);
  return ok();
}

Status FolderStorage::import_archive(const std::string& volume, const std::string& folder,
                                     const FromArchive& archive, const MayGoOn& may_add,
                                     Work& work) {
  // Unpacking takes as long as the archive takes to come: the volume that is written to is this one, not its name's.
  const std::shared_ptr<Volume> into = TRY(find(volume));
  std::string aside;
  {
    const std::lock_guard lock(mutex_);
    aside = volume_folder(fmt::format(".new.import.{}", ++imports_));
  }
  TRY(make_folders(aside, 0700));
  Status done = [&]() -> Status {
    const UniqueFd parent = TRY(open_file(aside, O_RDONLY | O_DIRECTORY));
    TRY(driver_->make_live(parent.get(), "live"));
    TRY(unpack_archive(archive, aside + "/live", work));
    TRY(may_add());
    return add_unpacked(*into, aside + "/live", folder, work);
  }();
  if (Status gone = delete_volume_folder(*driver_, aside); !gone) {
    log::warning("{}", gone.error().message);
  }
  if (done) return done;
  return std::move(done).error().context(fmt::format("cannot import into volume '{}'", volume));
}

Result<Time> FolderStorage::remove_volume(const std::string& name, const MayGoOn& is_unused) {
  const std::shared_ptr<Volume> volume = TRY(find(name));
  {
    const std::lock_guard lock(mutex_);
    if (!leaving_.insert(name).second) {
      return Error{Code::kConflict, fmt::format("volume '{}' is being removed already", name), {}};
    }
  }
  const Time removed = clock_now();
  Status done = is_unused();
  if (done) done = reserve_.with([&] { return remove_open_volume(*volume, name, removed); });
  const std::lock_guard lock(mutex_);
  leaving_.erase(name);
  if (!done) return done.error();
  return removed + kRemovedKept;
}

Status FolderStorage::remove_open_volume(Volume& volume, const std::string& name, Time removed) {
  TRY(volume.close());
  const std::string aside =
      volume_folder(fmt::format("{}/{}", kRemovedFolder, removed_folder_name(name, removed)));
  if (::rename(volume_folder(name).c_str(), aside.c_str()) != 0) {
    return errno_error(fmt::format("cannot remove volume '{}'", name), errno);
  }
  {
    const std::lock_guard lock(mutex_);
    volumes_.erase(name);
  }
  if (Status forgotten = traces_.forget(name); !forgotten) {
    log::warning("traces of '{}': {}", name, forgotten.error().message);
  }
  return sync_folder(store_ + "/volumes");
}

Status FolderStorage::keep_trace(const std::string& volume, const std::vector<std::string>& argv,
                                 std::string_view trace) {
  TRY(find(volume));
  return traces_.keep(volume, argv, trace);
}

Result<std::vector<RemovedVolume>> FolderStorage::removed_volumes() {
  std::vector<RemovedVolume> out;
  for (const RemovedFolder& folder : TRY(removed_folders(store_ + "/volumes"))) {
    const Result<VolumeRecord> record = read_volume_record(folder.folder);
    out.push_back({folder.name, record ? record->owner : std::string(),
                   record ? record->created : Time{}, folder.removed,
                   folder.removed + kRemovedKept});
  }
  return out;
}

Status FolderStorage::return_volume(const std::string& name) {
  const std::lock_guard collecting(collect_mutex_);  // which may be deleting it
  const RemovedFolder* last = nullptr;
  const std::vector<RemovedFolder> all = TRY(removed_folders(store_ + "/volumes"));
  for (const RemovedFolder& folder : all) {
    if (folder.name == name) last = &folder;
  }
  if (last == nullptr) {
    return Error{Code::kNotFound, fmt::format("no removed volume '{}' is kept", name),
                 "devrun volume ls --removed"};
  }
  TRY(reserve(name));
  Status returned = [&]() -> Status {
    if (::rename(last->folder.c_str(), volume_folder(name).c_str()) != 0) {
      return errno_error(fmt::format("cannot bring volume '{}' back", name), errno);
    }
    TRY(sync_folder(store_ + "/volumes"));
    return open_volume(name);
  }();
  release(name);
  return returned;
}

Status FolderStorage::set_quota(const std::string& volume, int64_t bytes) {
  return TRY(find(volume))->set_quota(bytes);
}

Status FolderStorage::share(const std::string& volume, const std::string& with,
                            std::optional<ShareFor> access) {
  return TRY(find(volume))->share(with, access);
}

Result<PathRules> FolderStorage::volume_paths(const std::string& volume) {
  TRY(find(volume));
  return read_path_rules(volume_folder(volume));
}

Status FolderStorage::set_volume_paths(const std::string& volume, const PathRules& rules) {
  TRY(find(volume));
  return write_path_rules(volume_folder(volume), rules);
}

}  // namespace devrun::storage
