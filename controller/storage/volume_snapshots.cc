// What a volume does with its catalog: numbers for snapshots, pins, which may go, and forks.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "common/runtime/file.h"
#include "common/tree/stat_values.h"
#include "controller/storage/clock.h"
#include "controller/storage/volume.h"

namespace devrun::storage {

namespace {

// Enough for a thousand folders of a thousand files: comparing neighbours then reads no pack.
constexpr size_t kReleasedBytesMax = size_t{16} << 20;

}  // namespace

// A tree that is the newest one already has its number. After a crash a snapshot is published
// again, perhaps after it came into the catalog: its generation tells.
uint64_t Volume::number_of(const Instant& instant, const SnapshotRecord& wanted, Pending& pending) {
  const auto known = catalog_->of_generation(instant.generation);
  // A store that was moved to another file system counts anew.
  if (known && known->tree == wanted.tree) return known->number;
  {
    const std::lock_guard lock(state_mutex_);
    if (newest_.number != 0 && newest_.tree == wanted.tree) return newest_.number;
  }
  pending.added = wanted;
  pending.added->number = ++last_number_;
  return last_number_;
}

Status Volume::catalogue(std::span<const Pending> pending) {
  std::vector<SnapshotRecord> added;
  for (const Pending& one : pending) {
    if (one.added && !catalog_->at(one.added->number)) added.push_back(*one.added);
  }
  return catalog_->add(added);
}

void Volume::remember_released(std::vector<tree::Object> objects) {
  for (tree::Object& object : objects) {
    released_bytes_ += object.bytes.size();
    released_.push_back(std::move(object));
  }
  while (released_bytes_ > kReleasedBytesMax) {
    released_bytes_ -= released_.front().bytes.size();
    released_.pop_front();
  }
}

std::optional<std::string> Volume::object_in_memory(const Digest& id) {
  const std::lock_guard building(build_mutex_);
  if (known_.has_object(id)) return std::string(known_.object(id));
  const auto found = std::ranges::find(released_, id, &tree::Object::id);
  if (found != released_.end()) return found->bytes;
  return std::nullopt;
}

Result<std::unique_ptr<TreeObjects>> Volume::objects_of(const tree::Manifest& manifest) {
  return std::make_unique<TreeObjects>(files_, manifest.packs, objects_in_memory());
}

void Volume::expect_body(const struct stat& st, const tree::Body& body) {
  constexpr size_t kExpectedMax = 200'000;
  const std::lock_guard lock(state_mutex_);
  if (expected_.size() >= kExpectedMax) expected_.clear();
  expected_[st.st_ino] = {tree::nanoseconds(st.st_ctim), static_cast<uint64_t>(st.st_size), body};
}

Result<SnapshotRecord> Volume::find_snapshot(const std::string& name) {
  TRY(settle());  // one that was acknowledged a moment ago is found too
  Result<SnapshotRecord> found = catalog_->find(name);
  if (!found) {
    Error error = std::move(found).error();
    error.message = fmt::format("volume '{}': {}", record_.name, error.message);
    if (!error.hint.empty()) error.hint += " " + record_.name;
    return error;
  }
  const std::lock_guard lock(state_mutex_);
  std::erase_if(asked_for_,
                [&](const auto& asked) { return asked.second + kAskedForKept < clock_now(); });
  asked_for_[found->number] = clock_now();
  return found;
}

Result<SnapshotRecord> Volume::keep_snapshot(const std::string& message) {
  const Snapshot taken = TRY(take_snapshot());
  TRY(settle());
  reach(fault_, "keep.settled");
  const std::lock_guard building(build_mutex_);
  std::optional<SnapshotRecord> record = catalog_->at(taken.number);
  if (!record) {
    return Error{Code::kConflict, "the snapshot was removed while it was taken", "try again"};
  }
  if (record->pinned) {
    // The same state under another message.
    record->number = ++last_number_;
    record->message = message;
    record->changed_bytes = 0;
    TRY(catalog_->add({&*record, 1}));
    const std::lock_guard lock(state_mutex_);
    if (newest_.number == taken.number) newest_.number = record->number;
    return *record;
  }
  TRY(catalog_->pin(taken.number, message));
  reach(fault_, "keep.pinned");
  return *catalog_->at(taken.number);
}

Result<SnapshotRecord> Volume::remove_snapshot(const std::string& name) {
  const SnapshotRecord record = TRY(find_snapshot(name));
  uint64_t newest = 0;
  {
    const std::lock_guard lock(state_mutex_);
    newest = newest_.number;
  }
  if (record.number == newest) {
    return Error{Code::kConflict,
                 fmt::format("{}@{} is the volume's newest snapshot, which the next one builds on",
                             record_.name, record.number),
                 "remove it once a run has taken another"};
  }
  const std::vector<uint64_t> numbers{record.number};
  TRY(catalog_->remove(numbers));
  return record;
}

std::vector<uint64_t> Volume::collectable(const Retention& retention, const JobTrees& jobs,
                                          Time now) {
  std::vector<uint64_t> out;
  const std::vector<SnapshotRecord> records = catalog_->records();
  const std::lock_guard lock(state_mutex_);
  size_t newer = 0;
  for (auto record = records.rbegin(); record != records.rend(); ++record, ++newer) {
    const bool is_old = newer >= retention.count || record->taken + retention.age < now;
    const auto asked = asked_for_.find(record->number);
    const bool is_wanted = asked != asked_for_.end() && now < asked->second + kAskedForKept;
    const bool is_newest = record->number == newest_.number || record == records.rbegin();
    if (is_old && !record->pinned && !is_wanted && !is_newest && !jobs.contains(record->tree)) {
      out.push_back(record->number);
    }
  }
  return out;
}

std::vector<Digest> Volume::trees_in_hand() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<Digest> out;
  if (!newest_.tree.is_zero()) out.push_back(newest_.tree);
  for (const Pending& pending : pending_) out.push_back(pending.record.tree);
  return out;
}

VolumeRecord Volume::record_now() const {
  const std::lock_guard lock(state_mutex_);
  VolumeRecord out = record_;
  out.quota_bytes = quota_bytes_;
  out.shares = shares_;
  return out;
}

Status Volume::set_quota(int64_t bytes) {
  const std::lock_guard building(build_mutex_);
  VolumeRecord record = record_now();
  record.quota_bytes = bytes;
  TRY(write_volume_record(folder_, record));
  const std::lock_guard lock(state_mutex_);
  quota_bytes_ = bytes;
  return ok();
}

Status Volume::share(const std::string& with, std::optional<ShareFor> access) {
  const std::lock_guard building(build_mutex_);
  VolumeRecord record = record_now();
  record.shares.erase(with);
  if (access) record.shares[with] = *access;
  if (record.shares.size() > kSharesMax) {
    return Error{Code::kExhausted,
                 fmt::format("volume '{}' is shared with {} users and groups, which is the most",
                             record_.name, kSharesMax),
                 "a group for them: devrun user join USER GROUP"};
  }
  TRY(write_volume_record(folder_, record));
  const std::lock_guard lock(state_mutex_);
  shares_ = record.shares;
  return ok();
}

Status Volume::refuse_beyond_quota(const TreeChange& change) const {
  const std::lock_guard lock(state_mutex_);
  if (quota_bytes_ == 0 || change.totals.bytes <= quota_bytes_) return ok();
  return Error{Code::kExhausted,
               fmt::format("volume '{}' has files of {} MB, and its quota is {} MB", record_.name,
                           change.totals.bytes / 1'000'000, quota_bytes_ / 1'000'000),
               fmt::format("delete files, or devrun volume quota {} SIZE", record_.name)};
}

Status Volume::fork_to(const std::string& folder, const VolumeRecord& record) {
  TRY(take_snapshot());
  TRY(settle());
  const std::lock_guard settling(settle_mutex_);  // the base stays while it is copied
  const NewestRecord base = *TRY(read_newest_record(folder_));
  const UniqueFd parent = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  if (const std::optional<SnapshotRecord> source = catalog_->of_generation(base.generation)) {
    const std::lock_guard lock(state_mutex_);
    asked_for_[source->number] = clock_now();
  }
  NewestRecord newest = base;
  newest.live = TRY(driver_.clone_live(path("base"), parent.get(), "live"));
  // The files are those of this volume, also as far as nodes are concerned.
  VolumeRecord fork = record;
  fork.lineage = record_.lineage;
  TRY(write_volume_record(folder, fork));
  const std::unique_ptr<Catalog> catalog = TRY(Catalog::open(folder));
  SnapshotRecord first;
  for (const SnapshotRecord& known : catalog_->records()) {
    if (known.tree == base.tree) first = known;
  }
  first.number = 1;
  first.tree = base.tree;
  first.taken = base.taken;
  first.generation = base.generation;
  first.changed_bytes = 0;
  first.pinned = false;
  first.message.clear();
  TRY(catalog->add({&first, 1}));
  return write_newest_record(folder, newest);
}

}  // namespace devrun::storage
