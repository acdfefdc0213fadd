#include "controller/storage/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "controller/storage/folders.h"
#include "controller/storage/snapshot_folder.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

constexpr std::string_view kPendingPrefix = "pending.";

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

// Clones that a build made, gone at the end of the scope unless something refers to them by then.
class NewClones {
 public:
  NewClones(Bodies& bodies, std::vector<ProvisionalFile> files)
      : bodies_(bodies), files_(std::move(files)) {}
  ~NewClones() {
    for (const ProvisionalFile& file : files_) bodies_.drop_clone(file.body);
  }
  NewClones(const NewClones&) = delete;
  NewClones& operator=(const NewClones&) = delete;

  void keep() { files_.clear(); }

 private:
  Bodies& bodies_;
  std::vector<ProvisionalFile> files_;
};

std::string cannot_snapshot(const std::string& volume) {
  return fmt::format("cannot take a snapshot of volume '{}'", volume);
}

Snapshot to_snapshot(const tree::Manifest& manifest, Time taken) {
  return {manifest.tree, taken, manifest.files, static_cast<int64_t>(manifest.bytes)};
}

}  // namespace

Volume::Volume(std::string folder, const Driver& driver, const ExportFiles& files, Bodies& bodies,
               FaultPoint fault)
    : folder_(std::move(folder)),
      driver_(driver),
      files_(files),
      bodies_(bodies),
      fault_(std::move(fault)) {}

Volume::~Volume() = default;

Result<std::unique_ptr<Volume>> Volume::open(std::string folder, const Driver& driver,
                                             const ExportFiles& files, Bodies& bodies,
                                             FaultPoint fault) {
  std::unique_ptr<Volume> out(
      new Volume(std::move(folder), driver, files, bodies, std::move(fault)));
  TRY(out->load());
  return out;
}

Status Volume::load() {
  record_ = TRY(read_volume_record(folder_));
  quota_bytes_ = record_.quota_bytes;
  shares_ = record_.shares;
  known_record_ = TRY(read_newest_record(folder_));
  catalog_ = TRY(Catalog::open(folder_));
  last_number_ = catalog_->last_number();
  if (known_record_) {
    const Result<tree::Manifest> manifest = files_.manifest(known_record_->tree);
    if (manifest) {
      newest_ = to_snapshot(*manifest, known_record_->taken);
      const std::optional<SnapshotRecord> last = catalog_->newest();
      if (last && last->tree == newest_.tree) newest_.number = last->number;
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
    Instant instant = TRY(driver_.reopen(folder_, name));
    if (known_record_ && instant.generation < known_record_->generation) {
      instant.root.reset();
      TRY(driver_.remove(folder.get(), name));
    } else if (known_record_ && instant.generation == known_record_->generation) {
      TRY(replace_base(name));
    } else {
      ensure_known_tree();
      const Result<Snapshot> finished = publish(instant, true, As::kRebuilt);
      if (finished) continue;
      // What cannot be a snapshot was not acknowledged as one.
      if (finished.error().code != Code::kUnsupported) return finished.error();
      instant.root.reset();
      TRY(driver_.remove(folder.get(), name));
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
    note_provisional(known_.provisional());
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
    if (closed_) return removed_error();
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
  ensure_known_tree();
  const UniqueFd folder = TRY(open_file(folder_, O_RDONLY | O_DIRECTORY));
  Result<Instant> frozen = driver_.freeze(folder_, pending_name(next_pending_++));
  if (!frozen) return std::move(frozen).error().context(cannot_snapshot(record_.name));
  Instant instant = std::move(*frozen);
  Result<Snapshot> result = publish(instant, !known_record_, As::kNew);
  if (result && settle_first_) TRY(settle());
  if (result) return result;
  instant.root.reset();
  if (!instant.name.empty()) remove_or_leave(folder.get(), instant.name);
  return std::move(result).error().context(cannot_snapshot(record_.name));
}

// Opening the volume deletes what is left.
void Volume::remove_or_leave(int folder, const std::string& name) const {
  if (Status removed = driver_.remove(folder, name); !removed) {
    log::warning("{}", removed.error().message);
  }
}

BuildRequest Volume::request_for(const Instant& instant, As as) {
  BuildRequest out;
  out.root = instant.root.get();
  out.lineage = record_.lineage;
  out.driver = &driver_;
  out.taken_ns = instant.taken_ns;
  out.rebuilds = as == As::kRebuilt;
  out.instant = instant.generation;
  out.live = instant.live;
  const bool ordered = instant.generation != 0;
  if (ordered && known_record_ && known_record_->live == instant.live) {
    out.generation = known_record_->generation;
  }
  if (as == As::kRebuilt) return out;
  out.expected = take_expected(instant.taken_ns);
  for (const auto& [inode, file] : provisional_) {
    const std::optional<tree::Body> hashed = bodies_.hashed(file);
    if (!hashed) continue;
    out.hashed.emplace(file.body.id, *hashed);
    out.hashed_inodes.push_back(inode);
  }
  return out;
}

// Those that are too new to be relied on stay for the next snapshot.
ExpectedBodies Volume::take_expected(int64_t taken_ns) {
  const std::lock_guard lock(state_mutex_);
  ExpectedBodies out = expected_;
  std::erase_if(expected_,
                [&](const auto& one) { return one.second.ctime_ns < taken_ns - kClockGrainNs; });
  return out;
}

void Volume::note_provisional(const std::vector<ProvisionalFile>& files) {
  for (const ProvisionalFile& file : files) {
    const auto [at, added] = provisional_.try_emplace(file.inode, file);
    if (!added) {
      if (at->second.body.id != file.body.id) bodies_.hasher().abandon(at->second.body);
      at->second = file;
    }
    bodies_.hasher().hash_later(file.body, file.size);
  }
}

Result<Snapshot> Volume::publish(const Instant& instant, bool rewrite, As as) {
  // What it refers to stays, also if nothing else does any more.
  const RecentUses::Build build(bodies_.uses());
  const uint64_t losses = bodies_.losses();
  BuildRequest request = request_for(instant, as);
  UniqueFd live;
  if (as == As::kNew && driver_.freezes()) {
    live = TRY(open_file(path("live"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    request.live_root = live.get();
  }
  BuildWork work;
  TreeChange change = TRY(build_tree(request, known_, bodies_, &work));
  reach(fault_, "snapshot.bodies");
  NewClones clones(bodies_, as == As::kNew ? change.provisional : std::vector<ProvisionalFile>{});
  // What was acknowledged stays so, whatever the quota is since.
  if (as == As::kNew) TRY(refuse_beyond_quota(change));
  tree::Manifest manifest;
  manifest.volume = record_.name;
  manifest.lineage = record_.lineage;
  manifest.taken_ns = instant.taken_ns;
  manifest.has_xattrs = change.totals.xattrs > 0;
  manifest.files = static_cast<uint64_t>(change.totals.files);
  manifest.bytes = static_cast<uint64_t>(change.totals.bytes);
  if (!driver_.freezes()) TRY(bodies_.sync(losses));
  Pending pending;
  pending.name = instant.name;
  manifest = TRY(files_.publish(known_, change, std::move(manifest), rewrite, pending.written));
  clones.keep();
  // What is compared with next is this instant, also where an older manifest of the same tree
  // stayed.
  manifest.taken_ns = instant.taken_ns;
  reach(fault_, "snapshot.published");
  Snapshot out = to_snapshot(manifest, Time{instant.taken_ns / 1000});
  SnapshotRecord record;
  record.tree = out.tree;
  record.taken = out.taken;
  record.files = out.files;
  record.bytes = out.bytes;
  record.changed_bytes = static_cast<int64_t>(work.bytes_read);
  record.generation = instant.generation;
  out.number = number_of(instant, record, pending);
  pending.record = {out.tree, out.taken, instant.generation, instant.live};
  if (!driver_.freezes()) TRY(make_durable(pending));
  for (const uint64_t inode : request.hashed_inodes) provisional_.erase(inode);
  settle_first_ = change.hashed > 0;
  note_provisional(change.provisional);
  remember_released(known_.apply(std::move(change), std::move(manifest)));
  known_record_ = pending.record;
  const std::lock_guard lock(state_mutex_);
  if (driver_.freezes()) pending_.push_back(std::move(pending));
  newest_ = out;
  known_tree_bytes_ = known_.bytes();
  return out;
}

// For drivers that freeze nothing, of which nothing is left to read the tree from again.
Status Volume::make_durable(const Pending& done) {
  if (known_record_ && known_record_->tree == done.record.tree && !done.added) return ok();
  TRY(sync_with_folders(done.written));
  reach(fault_, "snapshot.synced");
  TRY(catalogue({&done, 1}));
  reach(fault_, "snapshot.catalogued");
  return write_newest_record(folder_, done.record);
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
  TRY(bodies_.sync(bodies_.losses()));
  TRY(sync_files(paths));
  reach(fault_, "settle.synced");
  TRY(driver_.commit(folder.get()));
  reach(fault_, "settle.committed");
  TRY(catalogue(now));
  reach(fault_, "settle.catalogued");
  TRY(write_newest_record(folder_, now.back().record));
  reach(fault_, "settle.recorded");
  TRY(replace_base(now.back().name));
  reach(fault_, "settle.based");
  now.pop_back();
  for (const Pending& older : now) remove_or_leave(folder.get(), older.name);
  const std::lock_guard lock(state_mutex_);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(now.size() + 1));
  return ok();
}

// The old base ends up under the pending name, and is deleted from there; should that not happen,
// opening finds it older than the record.
Status Volume::replace_base(const std::string& name) {
  const UniqueFd folder = TRY(open_file(folder_, O_RDONLY | O_DIRECTORY));
  if (::renameat2(folder.get(), name.c_str(), folder.get(), "base", RENAME_EXCHANGE) == 0) {
    remove_or_leave(folder.get(), name);
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
  return {record_.name, record_.owner, std::string(driver_.name()), record_.created, newest_,
          {},           quota_bytes_,  catalog_->count(),           shares_};
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

Result<UniqueFd> Volume::open_live() {
  UniqueFd live = TRY(open_file(path("live"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // Whoever removes it closes it before it loses its name.
  const std::lock_guard lock(rounds_mutex_);
  if (closed_) return removed_error();
  return live;
}

Error Volume::removed_error() const {
  return {Code::kNotFound, fmt::format("volume '{}' was removed", record_.name),
          "devrun volume ls"};
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
