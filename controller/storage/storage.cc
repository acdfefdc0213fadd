// Opening a store, finding its volumes, and settling them.
#include "controller/storage/storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/base/suggest.h"
#include "common/runtime/file.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/removed.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr size_t kKnownTreesBytesMax = size_t{1} << 30;
constexpr size_t kVolumeNameBytesMax = 63;
constexpr size_t kLargestNamed = 3;
constexpr std::string_view kNewPrefix = ".new.";

}  // namespace

FolderStorage::FolderStorage(const std::string& store, std::unique_ptr<Driver> driver,
                             FaultPoint fault)
    : store_(store),
      driver_(std::move(driver)),
      fault_(std::move(fault)),
      bodies_(store + "/export"),
      files_(store + "/export", !driver_->freezes(), &bodies_.uses()),
      reserve_(store),
      collector_(store + "/export", files_, bodies_.uses(), fault_),
      traces_(store + "/export"),
      setups_(store + "/setups"),
      settler_(
          [this] {
            settle_all();
            bound_memory();
          },
          [this] {
            if (driver_->freezes()) commit();
          }) {}

std::string FolderStorage::volume_folder(std::string_view name) const {
  return fmt::format("{}/volumes/{}", store_, name);
}

Status FolderStorage::load() {
  TRY(make_folders(fmt::format("{}/volumes/{}", store_, kRemovedFolder), 0700));
  TRY(make_folders(jobs_path(), 0700));
  TRY(make_folders(store_ + "/setups", 0700));
  TRY(make_export_folders(export_path()));
  TRY(bodies_.remove_unnamed());
  const UniqueFd folder = TRY(open_file(store_ + "/volumes", O_RDONLY | O_DIRECTORY));
  for (const NameAndInode& entry : TRY(read_names(folder.get()))) {
    if (entry.name.starts_with(kNewPrefix)) {
      if (Status gone = delete_volume_folder(*driver_, volume_folder(entry.name)); !gone) {
        log::warning("{}", gone.error().message);
      }
    } else if (check_volume_name(entry.name)) {
      // One damaged volume must not keep the others from being used.
      if (Status opened = open_volume(entry.name); !opened) {
        log::error("volume {}: {}", entry.name, opened.error().message);
      }
    }
  }
  finish_homing();
  reserve_.fill();
  settler_.start();
  return ok();
}

Status FolderStorage::open_volume(const std::string& name) {
  Result<std::unique_ptr<Volume>> opened =
      Volume::open(volume_folder(name), *driver_, files_, bodies_, fault_);
  if (opened && (*opened)->record().name != name) {
    opened = Error{Code::kCorrupt,
                   fmt::format("its record is that of volume '{}'", (*opened)->record().name),
                   "devrun-controller fsck"};
  }
  const std::lock_guard lock(mutex_);
  if (!opened) {
    // Its snapshots must not be taken for those of nobody.
    damaged_.emplace(name, opened.error());
    return opened.error();
  }
  volumes_.emplace(name, std::move(*opened));
  return ok();
}

FolderStorage::~FolderStorage() {
  settler_.stop();
  settle_all();
}

void FolderStorage::commit() {
  const Result<UniqueFd> store = open_file(store_, O_RDONLY | O_DIRECTORY);
  const Status committed = store ? driver_->commit(store->get()) : Status(store.error());
  if (!committed) log::warning("{}: {}", store_, committed.error().message);
}

std::vector<std::shared_ptr<Volume>> FolderStorage::all_volumes() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Volume>> all;
  for (const auto& [name, volume] : volumes_) all.push_back(volume);
  return all;
}

void FolderStorage::settle_all() {
  for (const auto& volume : all_volumes()) {
    if (Status settled = volume->settle(); !settled) {
      log::error("volume {}: settling: {}", volume->info().name, settled.error().message);
    }
  }
}

// Beyond the limit the volumes whose newest snapshot is oldest give their trees back.
void FolderStorage::bound_memory() {
  std::vector<std::pair<Time, std::shared_ptr<Volume>>> all;
  size_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, volume] : volumes_) {
      all.emplace_back(volume->info().newest.taken, volume);
      bytes += volume->known_tree_bytes();
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [taken, volume] : all) {
    if (bytes <= kKnownTreesBytesMax) return;
    bytes -= volume->known_tree_bytes();
    volume->forget_known_tree();
  }
}

Result<std::shared_ptr<Volume>> FolderStorage::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = volumes_.find(name);
  if (found != volumes_.end() && !leaving_.contains(name)) return found->second;
  if (const auto damaged = damaged_.find(name); damaged != damaged_.end()) {
    Error error = damaged->second;
    return std::move(error).context(fmt::format("volume '{}' is damaged", name));
  }
  std::vector<std::string_view> names;
  for (const auto& [other, volume] : volumes_) {
    if (!leaving_.contains(other)) names.push_back(other);
  }
  const std::optional<std::string> near = nearest_word(name, names);
  return Error{Code::kNotFound,
               near ? fmt::format("no volume '{}': did you mean '{}'?", name, *near)
                    : fmt::format("no volume '{}'", name),
               "devrun volume ls"};
}

Result<std::vector<VolumeInfo>> FolderStorage::volumes() {
  const std::lock_guard lock(mutex_);
  std::vector<VolumeInfo> out;
  for (const auto& [name, volume] : volumes_) out.push_back(volume->info());
  for (const auto& [name, error] : damaged_) {
    VolumeInfo info;
    info.name = name;
    info.driver = driver_->name();
    info.damage = error.message;
    out.push_back(std::move(info));
  }
  std::ranges::sort(out, {}, &VolumeInfo::name);
  return out;
}

Result<VolumeInfo> FolderStorage::volume(const std::string& name) {
  return TRY(find(name))->info();
}

// Before anything breaks: a full btrfs cannot even delete. Says whose bytes they are.
Status FolderStorage::refuse_if_full(const std::string& volume) {
  if (!TRY(is_nearly_full(store_))) return ok();
  std::vector<VolumeInfo> all = TRY(volumes());
  std::ranges::sort(all, std::greater(), [](const VolumeInfo& one) { return one.newest.bytes; });
  std::string largest;
  for (size_t i = 0; i < std::min(all.size(), kLargestNamed); ++i) {
    largest +=
        fmt::format("{}{} {} MB", i == 0 ? "" : ", ", all[i].name, all[i].newest.bytes / 1'000'000);
  }
  return Error{Code::kExhausted,
               fmt::format("cannot take a snapshot of volume '{}': less than {} % of the store is "
                           "free; the largest volumes, by their newest snapshots: {}",
                           volume, kFreePercentMin, largest),
               "devrun volume du, then delete files, snapshots or volumes"};
}

Result<Snapshot> FolderStorage::take_snapshot(const std::string& volume) {
  const std::shared_ptr<Volume> found = TRY(find(volume));
  TRY(refuse_if_full(volume));
  Result<Snapshot> out = found->take_snapshot();
  if (out) settler_.taken();
  return out;
}

Status Storage::create_volume(const std::string& name, const std::string& owner,
                              const VolumeSource& source, const ProgressLine& progress) {
  Work work(progress);
  return create_volume(NewVolume{name, owner, source, 0}, work);
}

Status check_volume_name(std::string_view name) {
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  if (!name.empty() && name.size() <= kVolumeNameBytesMax &&
      kFirst.find(name.front()) != std::string_view::npos &&
      name.find_first_not_of(kRest) == std::string_view::npos) {
    return ok();
  }
  return Error{Code::kInvalid,
               fmt::format("'{}' cannot be the name of a volume: 1 to {} of a-z 0-9 . _ -, "
                           "beginning with a letter or a digit",
                           name, kVolumeNameBytesMax),
               {}};
}

Result<std::unique_ptr<Storage>> Storage::open(std::string store, FaultPoint fault) {
  TRY(make_folders(store, 0700));
  auto out = std::make_unique<FolderStorage>(store, TRY(Driver::of(store)), std::move(fault));
  TRY(out->load());
  return std::unique_ptr<Storage>(std::move(out));
}

}  // namespace devrun::storage
