#include "controller/storage/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <ctime>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "controller/storage/btrfs.h"
#include "controller/storage/snapshot_folder.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

constexpr std::string_view kPendingPrefix = "pending.";
constexpr unsigned kFreePercentMin = 5;

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The numbers of pending.N in `folder`, ascending.
Result<std::vector<uint64_t>> pending_numbers(const std::string& folder) {
  const UniqueFd fd = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  std::vector<uint64_t> out;
  for (const NameAndInode& entry : TRY(read_names(fd.get()))) {
    if (!entry.name.starts_with(kPendingPrefix)) continue;
    uint64_t number = 0;
    const char* const begin = entry.name.data() + kPendingPrefix.size();
    const char* const end = entry.name.data() + entry.name.size();
    const auto parsed = std::from_chars(begin, end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) out.push_back(number);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string pending_name(uint64_t number) {
  return fmt::format("{}{}", kPendingPrefix, number);
}

// Opening the volume deletes what is left.
void delete_or_leave(int folder, const std::string& name) {
  if (Status deleted = btrfs::delete_subvolume(folder, name); !deleted) {
    log::warning("{}", deleted.error().message);
  }
}

Snapshot to_snapshot(const tree::Manifest& manifest, Time taken) {
  return {manifest.tree, taken, manifest.files, static_cast<int64_t>(manifest.bytes)};
}

}  // namespace

Volume::Volume(std::string folder, const ExportFiles& files, Bodies& bodies)
    : folder_(std::move(folder)), files_(files), bodies_(bodies) {}

Volume::~Volume() = default;

Result<std::unique_ptr<Volume>> Volume::open(std::string folder, const ExportFiles& files,
                                             Bodies& bodies) {
  std::unique_ptr<Volume> out(new Volume(std::move(folder), files, bodies));
  TRY(out->load());
  return out;
}

Status Volume::load() {
  record_ = TRY(read_volume_record(folder_));
  known_record_ = TRY(read_newest_record(folder_));
  if (known_record_) {
    const Result<tree::Manifest> manifest = files_.manifest(known_record_->tree);
    if (manifest) {
      newest_ = to_snapshot(*manifest, known_record_->taken);
    } else {
      // One damaged volume must not keep the others from being served.
      log::error("volume {}: {}", record_.name, manifest.error().message);
    }
  }
  return finish_pending();
}

// Pending snapshots newer than the record are trees that somebody may hold the name of; older ones
// were settled.
Status Volume::finish_pending() {
  const UniqueFd folder = TRY(open_file(folder_, O_RDONLY | O_DIRECTORY));
  for (const uint64_t number : TRY(pending_numbers(folder_))) {
    const std::string name = pending_name(number);
    next_pending_ = number + 1;
    btrfs::SubvolumeInfo info;
    {
      const UniqueFd snapshot = TRY(open_file(path(name), O_RDONLY | O_DIRECTORY));
      info = TRY(btrfs::subvolume_info(snapshot.get()));
    }
    if (known_record_ && info.generation < known_record_->generation) {
      TRY(btrfs::delete_subvolume(folder.get(), name));
    } else if (known_record_ && info.generation == known_record_->generation) {
      TRY(replace_base(name));
    } else {
      ensure_known_tree();
      const Result<Snapshot> finished = publish(name, info.made_ns, true);
      if (finished) continue;
      // What cannot be a snapshot was not acknowledged as one.
      if (finished.error().code != Code::kUnsupported) return finished.error();
      TRY(btrfs::delete_subvolume(folder.get(), name));
    }
  }
  return settle();
}

// Reads it from the packs if it was forgotten. If those are damaged, the next walk reads everything
// and writes anew.
void Volume::ensure_known_tree() {
  if (!known_.empty() || !known_record_) return;
  Result<tree::Manifest> manifest = files_.manifest(known_record_->tree);
  Result<KnownTree> known = manifest ? files_.known_tree(*manifest) : manifest.error();
  if (known) {
    known_ = std::move(*known);
    return;
  }
  log::error("volume {}: {}; reading the whole volume", record_.name, known.error().message);
  known_record_.reset();
}

Result<Snapshot> Volume::take_snapshot() {
  std::unique_lock lock(rounds_mutex_);
  const uint64_t wanted = rounds_begun_ + 1;
  for (;;) {
    if (rounds_ended_ >= wanted) return *last_result_;
    if (closed_) {
      return Error{Code::kNotFound, fmt::format("volume '{}' was removed", record_.name),
                   "devrun volume ls"};
    }
    if (!running_) break;
    round_ended_.wait(lock);
  }
  running_ = true;
  const uint64_t round = ++rounds_begun_;
  lock.unlock();
  Result<Snapshot> result = run_snapshot();
  lock.lock();
  running_ = false;
  rounds_ended_ = round;
  last_result_ = result;
  round_ended_.notify_all();
  return result;
}

Result<Snapshot> Volume::run_snapshot() {
  const std::lock_guard building(build_mutex_);
  TRY(refuse_if_full());
  ensure_known_tree();
  const UniqueFd folder = TRY(open_file(folder_, O_RDONLY | O_DIRECTORY));
  const UniqueFd live = TRY(open_file(path("live"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const std::string name = pending_name(next_pending_++);
  const int64_t taken_ns = now_ns();
  TRY(btrfs::snapshot_read_only(live.get(), folder.get(), name));
  Result<Snapshot> result = publish(name, taken_ns, !known_record_);
  if (result) return result;
  delete_or_leave(folder.get(), name);
  return std::move(result).error().context(
      fmt::format("cannot take a snapshot of volume '{}'", record_.name));
}

Result<Snapshot> Volume::publish(const std::string& name, int64_t taken_ns, bool rewrite) {
  TRY(refuse_nested_subvolumes());
  const UniqueFd snapshot = TRY(open_file(path(name), O_RDONLY | O_DIRECTORY));
  const btrfs::SubvolumeInfo info = TRY(btrfs::subvolume_info(snapshot.get()));
  BuildRequest request;
  request.snapshot = snapshot.get();
  request.lineage = record_.lineage;
  if (known_record_ && known_record_->live == info.parent_uuid) {
    request.generation = known_record_->generation;
  }
  TreeChange change = TRY(build_tree(request, known_, bodies_));
  tree::Manifest manifest;
  manifest.volume = record_.name;
  manifest.lineage = record_.lineage;
  manifest.taken_ns = taken_ns;
  manifest.has_xattrs = change.totals.xattrs > 0;
  manifest.files = static_cast<uint64_t>(change.totals.files);
  manifest.bytes = static_cast<uint64_t>(change.totals.bytes);
  Pending pending;
  pending.name = name;
  manifest = TRY(files_.publish(known_, change, std::move(manifest), rewrite, pending.written));
  // What is compared with next is this instant, also where an older manifest of the same tree
  // stayed.
  manifest.taken_ns = taken_ns;
  const Snapshot out = to_snapshot(manifest, Time{taken_ns / 1000});
  known_.apply(std::move(change), std::move(manifest));
  pending.record = {out.tree, out.taken, info.generation, info.parent_uuid};
  known_record_ = pending.record;
  const std::lock_guard lock(state_mutex_);
  pending_.push_back(std::move(pending));
  newest_ = out;
  known_tree_bytes_ = known_.bytes();
  return out;
}

// A snapshot shows a nested subvolume as an empty folder, whatever is in it. Leaving files out
// silently would break the one promise of snapshots, so only empty ones pass, as mount points.
Status Volume::refuse_nested_subvolumes() const {
  const UniqueFd live = TRY(open_file(path("live"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  for (const std::string& nested : TRY(btrfs::nested_subvolumes(live.get()))) {
    const Result<UniqueFd> fd = open_beneath(live.get(), nested, O_RDONLY | O_DIRECTORY);
    if (!fd && fd.error().code == Code::kNotFound) continue;
    if (fd && TRY(read_names(fd->get())).empty()) continue;
    return Error{
        Code::kUnsupported,
        fmt::format("/{} is a btrfs subvolume of its own, which snapshots do not reach", nested),
        fmt::format("move its files to a plain folder and run: btrfs subvolume delete /{}",
                    nested)};
  }
  return ok();
}

Status Volume::refuse_if_full() const {
  struct statvfs info {};
  if (::statvfs(folder_.c_str(), &info) != 0) return errno_error("statvfs", errno);
  if (info.f_bavail >= info.f_blocks / 100 * kFreePercentMin) return ok();
  return Error{
      Code::kExhausted,
      fmt::format("cannot take a snapshot of volume '{}': less than {} % of the store is free",
                  record_.name, kFreePercentMin),
      "free space in the store, or make it larger"};
}

Status Volume::settle() {
  const std::lock_guard settling(settle_mutex_);
  std::vector<Pending> now;
  {
    const std::lock_guard lock(state_mutex_);
    now = pending_;
  }
  if (now.empty()) return ok();
  std::vector<std::string> paths;
  for (const Pending& pending : now) {
    paths.insert(paths.end(), pending.written.begin(), pending.written.end());
  }
  const UniqueFd folder = TRY(open_file(folder_, O_RDONLY | O_DIRECTORY));
  TRY(bodies_.sync());
  TRY(sync_files(paths));
  TRY(btrfs::commit(folder.get()));
  TRY(write_newest_record(folder_, now.back().record));
  TRY(replace_base(now.back().name));
  now.pop_back();
  for (const Pending& older : now) delete_or_leave(folder.get(), older.name);
  const std::lock_guard lock(state_mutex_);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(now.size() + 1));
  return ok();
}

// The old base ends up under the pending name, and is deleted from there; should that not happen,
// opening finds it older than the record.
Status Volume::replace_base(const std::string& name) {
  const UniqueFd folder = TRY(open_file(folder_, O_RDONLY | O_DIRECTORY));
  if (::renameat2(folder.get(), name.c_str(), folder.get(), "base", RENAME_EXCHANGE) == 0) {
    delete_or_leave(folder.get(), name);
    return ok();
  }
  if (errno != ENOENT) return errno_error(fmt::format("replace {}/base", folder_), errno);
  if (::renameat(folder.get(), name.c_str(), folder.get(), "base") != 0) {
    return errno_error(fmt::format("name {}/base", folder_), errno);
  }
  return ok();
}

VolumeInfo Volume::info() const {
  const std::lock_guard lock(state_mutex_);
  return {record_.name, record_.owner, "btrfs", record_.created, newest_};
}

Status Volume::close() {
  {
    std::unique_lock lock(rounds_mutex_);
    closed_ = true;
    round_ended_.wait(lock, [this] { return !running_; });
  }
  round_ended_.notify_all();
  return settle();
}

size_t Volume::known_tree_bytes() const {
  const std::lock_guard lock(state_mutex_);
  return known_tree_bytes_;
}

void Volume::forget_known_tree() {
  const std::lock_guard building(build_mutex_);
  known_ = {};
  const std::lock_guard lock(state_mutex_);
  known_tree_bytes_ = 0;
}

}  // namespace devrun::storage
