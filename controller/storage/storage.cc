// The volumes of a store, and the thread that settles their snapshots soon after they were
// acknowledged.
//   volumes/V               a volume (see volume.h)
//   volumes/.new.V          one that is being made; opening deletes it
//   volumes/.removed/V.T    removed at T (µs), kept for 7 days
#include "controller/storage/storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "common/base/log.h"
#include "common/base/suggest.h"
#include "common/runtime/file.h"
#include "controller/storage/bodies.h"
#include "controller/storage/driver.h"
#include "controller/storage/export_files.h"
#include "controller/storage/records.h"
#include "controller/storage/snapshot_folder.h"
#include "controller/storage/volume.h"
#include "controller/storage/volume_source.h"

namespace devrun::storage {

namespace {

constexpr Duration kRemovedKept = seconds(7 * 24 * 3600);
// Long enough that a burst of snapshots is settled at once and a starting job has the disk for
// itself.
constexpr auto kSettleDelay = std::chrono::milliseconds(500);
constexpr size_t kKnownTreesBytesMax = size_t{1} << 30;
constexpr size_t kVolumeNameBytesMax = 63;
constexpr std::string_view kNewPrefix = ".new.";
constexpr std::string_view kRemoved = ".removed";

Time now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000};
}

Result<tree::Lineage> random_lineage() {
  tree::Lineage out{};
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) {
    return errno_error("getrandom", errno);
  }
  return out;
}

// Deletes volumes/NAME with the trees in it.
Status delete_volume_folder(const Driver& driver, const std::string& path) {
  const UniqueFd folder = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
  for (const NameAndInode& entry : TRY(read_names(folder.get()))) {
    struct stat st {};
    if (::fstatat(folder.get(), entry.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      TRY(driver.remove(folder.get(), entry.name));
    } else if (::unlinkat(folder.get(), entry.name.c_str(), 0) != 0) {
      return errno_error(fmt::format("delete {}/{}", path, entry.name), errno);
    }
  }
  if (::rmdir(path.c_str()) != 0) return errno_error(fmt::format("delete {}", path), errno);
  return ok();
}

class FolderStorage final : public Storage {
 public:
  FolderStorage(const std::string& store, std::unique_ptr<Driver> driver)
      : store_(store),
        driver_(std::move(driver)),
        files_(store + "/export", !driver_->freezes()),
        bodies_(store + "/export") {}
  ~FolderStorage() override;

  Status load();

  Status create_volume(const std::string& name, const std::string& owner,
                       const VolumeSource& source, const ProgressLine& progress) override;
  Result<Time> remove_volume(const std::string& name) override;
  Result<std::vector<VolumeInfo>> volumes() override;
  Result<VolumeInfo> volume(const std::string& name) override;
  Result<Snapshot> take_snapshot(const std::string& volume) override;
  std::string live_path(const std::string& volume) const override {
    return volume_folder(volume) + "/live";
  }
  std::string export_path() const override { return store_ + "/export"; }
  std::string jobs_path() const override { return store_ + "/jobs"; }

 private:
  std::string volume_folder(std::string_view name) const {
    return fmt::format("{}/volumes/{}", store_, name);
  }
  Result<std::shared_ptr<Volume>> find(const std::string& name);
  Status make_volume(const std::string& folder, const std::string& name, const std::string& owner,
                     const VolumeSource& source, const ProgressLine& progress);
  void purge_removed();
  void settle_soon();
  void settle_loop();
  void settle_all();
  void bound_memory();

  const std::string store_;
  const std::unique_ptr<Driver> driver_;
  const ExportFiles files_;
  Bodies bodies_;

  std::mutex mutex_;  // guards what follows
  std::map<std::string, std::shared_ptr<Volume>> volumes_;
  std::set<std::string> being_made_;
  bool settle_wanted_ = false;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread settler_;
};

Status FolderStorage::load() {
  TRY(make_folders(store_ + "/volumes/" + std::string(kRemoved), 0700));
  TRY(make_folders(jobs_path(), 0700));
  TRY(make_export_folders(export_path()));
  TRY(bodies_.remove_unnamed());
  const UniqueFd folder = TRY(open_file(store_ + "/volumes", O_RDONLY | O_DIRECTORY));
  for (const NameAndInode& entry : TRY(read_names(folder.get()))) {
    if (entry.name.starts_with(kNewPrefix)) {
      if (Status gone = delete_volume_folder(*driver_, volume_folder(entry.name)); !gone) {
        log::warning("{}", gone.error().message);
      }
    } else if (check_volume_name(entry.name)) {
      Result<std::unique_ptr<Volume>> opened =
          Volume::open(volume_folder(entry.name), *driver_, files_, bodies_);
      if (!opened) {
        return std::move(opened).error().context(fmt::format("opening volume '{}'", entry.name));
      }
      volumes_.emplace(entry.name, std::move(*opened));
    }
  }
  purge_removed();
  settler_ = std::thread([this] { settle_loop(); });
  return ok();
}

FolderStorage::~FolderStorage() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (settler_.joinable()) settler_.join();
  settle_all();
}

void FolderStorage::settle_soon() {
  {
    const std::lock_guard lock(mutex_);
    settle_wanted_ = true;
  }
  wake_.notify_all();
}

void FolderStorage::settle_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return settle_wanted_ || stopping_; });
    if (stopping_) return;
    wake_.wait_for(lock, kSettleDelay, [this] { return stopping_; });
    settle_wanted_ = false;
    lock.unlock();
    settle_all();
    bound_memory();
    lock.lock();
  }
}

void FolderStorage::settle_all() {
  std::vector<std::shared_ptr<Volume>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, volume] : volumes_) all.push_back(volume);
  }
  for (const auto& volume : all) {
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
  if (found != volumes_.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [other, volume] : volumes_) names.push_back(other);
  const std::optional<std::string> near = nearest_word(name, names);
  return Error{Code::kNotFound,
               near ? fmt::format("no volume '{}': did you mean '{}'?", name, *near)
                    : fmt::format("no volume '{}'", name),
               "devrun volume ls"};
}

Status FolderStorage::make_volume(const std::string& folder, const std::string& name,
                                  const std::string& owner, const VolumeSource& source,
                                  const ProgressLine& progress) {
  if (::mkdir(folder.c_str(), 0700) != 0)
    return errno_error(fmt::format("mkdir {}", folder), errno);
  const UniqueFd fd = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  TRY(driver_->make_live(fd.get(), "live"));
  TRY(fill_volume(folder + "/live", source, progress));
  const tree::Lineage lineage = TRY(random_lineage());
  TRY(write_volume_record(folder, {name, owner, lineage, now()}));
  if (::rename(folder.c_str(), volume_folder(name).c_str()) != 0) {
    return errno_error(fmt::format("name volume '{}'", name), errno);
  }
  if (::syncfs(fd.get()) != 0) return errno_error("syncfs", errno);
  return ok();
}

Status FolderStorage::create_volume(const std::string& name, const std::string& owner,
                                    const VolumeSource& source, const ProgressLine& progress) {
  TRY(check_volume_name(name));
  {
    const std::lock_guard lock(mutex_);
    if (volumes_.contains(name) || !being_made_.insert(name).second) {
      return Error{Code::kExists, fmt::format("there is a volume '{}' already", name),
                   "devrun volume ls"};
    }
  }
  const std::string folder = volume_folder(std::string(kNewPrefix) + name);
  Status made = make_volume(folder, name, owner, source, progress);
  if (!made && ::access(folder.c_str(), F_OK) == 0) {
    if (Status gone = delete_volume_folder(*driver_, folder); !gone)
      log::warning("{}", gone.error().message);
  }
  Result<std::unique_ptr<Volume>> opened =
      made ? Volume::open(volume_folder(name), *driver_, files_, bodies_) : made.error();
  const std::lock_guard lock(mutex_);
  being_made_.erase(name);
  if (!opened) {
    return std::move(opened).error().context(fmt::format("cannot create volume '{}'", name));
  }
  volumes_.emplace(name, std::move(*opened));
  return ok();
}

Result<Time> FolderStorage::remove_volume(const std::string& name) {
  const std::shared_ptr<Volume> volume = TRY(find(name));
  TRY(volume->close());
  const Time removed = now();
  const std::string aside = volume_folder(fmt::format("{}/{}.{}", kRemoved, name, removed.us));
  if (::rename(volume_folder(name).c_str(), aside.c_str()) != 0) {
    return errno_error(fmt::format("cannot remove volume '{}'", name), errno);
  }
  {
    const std::lock_guard lock(mutex_);
    volumes_.erase(name);
  }
  TRY(sync_folder(store_ + "/volumes"));
  return removed + kRemovedKept;
}

void FolderStorage::purge_removed() {
  const std::string removed = volume_folder(kRemoved);
  const Result<UniqueFd> folder = open_file(removed, O_RDONLY | O_DIRECTORY);
  const Result<std::vector<NameAndInode>> entries =
      folder ? read_names(folder->get()) : Result<std::vector<NameAndInode>>(folder.error());
  if (!entries) return log::warning("{}", entries.error().message);
  for (const NameAndInode& entry : *entries) {
    Time since;
    const char* const end = entry.name.data() + entry.name.size();
    const char* const begin = entry.name.data() + entry.name.rfind('.') + 1;
    if (std::from_chars(begin, end, since.us).ptr != end || since + kRemovedKept > now()) continue;
    if (Status gone = delete_volume_folder(*driver_, removed + "/" + entry.name); !gone) {
      log::warning("{}", gone.error().message);
    }
  }
}

Result<std::vector<VolumeInfo>> FolderStorage::volumes() {
  const std::lock_guard lock(mutex_);
  std::vector<VolumeInfo> out;
  for (const auto& [name, volume] : volumes_) out.push_back(volume->info());
  return out;
}

Result<VolumeInfo> FolderStorage::volume(const std::string& name) {
  return TRY(find(name))->info();
}

Result<Snapshot> FolderStorage::take_snapshot(const std::string& volume) {
  const std::shared_ptr<Volume> found = TRY(find(volume));
  Result<Snapshot> out = found->take_snapshot();
  if (out) settle_soon();
  return out;
}

}  // namespace

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

Result<std::unique_ptr<Storage>> Storage::open(std::string store) {
  TRY(make_folders(store, 0700));
  auto out = std::make_unique<FolderStorage>(store, TRY(Driver::of(store)));
  TRY(out->load());
  return std::unique_ptr<Storage>(std::move(out));
}

}  // namespace devrun::storage
