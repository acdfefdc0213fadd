// One volume: its live tree, its snapshots, and what of them is settled.
//
//   live        the live tree
//   pending.N   instants that were acknowledged and are not settled   (if the driver freezes)
//   base        the instant of the newest settled tree                (if the driver freezes)
//   newest.json says which tree that is
//   snapshots/  all that are not forgotten yet (catalog.h)
//
// With a driver that freezes nothing, a snapshot is settled before it is acknowledged: first the
// bodies get their names (each synced before), then packs and manifest are written durably, then
// newest.json. Power loss at any moment leaves the newest acknowledged tree, and files that nothing
// refers to, complete if they have their names.
//
// btrfs commits a snapshot before it returns, and the tree follows from the snapshot alone. So a
// snapshot is acknowledged as soon as its tree can be read by nodes, although manifest, packs and
// bodies are not on disk yet: should the power fail, opening the volume builds the very same tree
// again from pending.N. Settling makes them durable in the background, records the tree in
// newest.json, and swaps pending.N for base. (Committing before the acknowledgement cost 2 to 5 ms
// a snapshot.)
//
// Large files get provisional bodies (bodies.h) and are hashed once their snapshot was acknowledged;
// a later snapshot then has them by content. Since a rebuild after power loss could not know which
// were hashed by then, such a snapshot is settled before it is acknowledged, and rebuilds change no
// provisional body.
#pragma once

#include <sys/stat.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"
#include "controller/storage/bodies.h"
#include "controller/storage/catalog.h"
#include "controller/storage/driver.h"
#include "controller/storage/export_files.h"
#include "controller/storage/known_tree.h"
#include "controller/storage/records.h"
#include "controller/storage/storage.h"
#include "controller/storage/tree_builder.h"
#include "controller/storage/tree_objects.h"

namespace devrun::storage {

class Volume {
 public:
  // Finishes what a crash left: afterwards every acknowledged snapshot is settled.
  static Result<std::unique_ptr<Volume>> open(std::string folder, const Driver& driver,
                                              const ExportFiles& files, Bodies& bodies,
                                              FaultPoint fault = {});
  ~Volume();

  // Callers that come while one runs share the next one.
  Result<Snapshot> take_snapshot();
  // Makes every acknowledged snapshot durable without its pending subvolume.
  Status settle();
  VolumeInfo info() const;
  // As it was when the volume was opened, but for what `info` knows better.
  const VolumeRecord& record() const { return record_; }
  Status set_quota(int64_t bytes);
  Status share(const std::string& with, std::optional<ShareFor> access);

  // ── the catalog (volume_snapshots.cc) ──
  const Catalog& catalog() const { return *catalog_; }
  // Is spared by `collectable` for an hour.
  Result<SnapshotRecord> find_snapshot(const std::string& name);
  // Of the live state; pinned, and durable.
  Result<SnapshotRecord> keep_snapshot(const std::string& message);
  Result<SnapshotRecord> remove_snapshot(const std::string& name);
  // The records that are not to be kept by these rules; never the newest, nor one asked for lately.
  std::vector<uint64_t> collectable(const Retention& retention, const JobTrees& jobs, Time now);
  Status forget_snapshots(std::span<const uint64_t> numbers) { return catalog_->remove(numbers); }
  // Trees of snapshots that are acknowledged and not in the catalog yet, and the newest.
  std::vector<Digest> trees_in_hand() const;
  // Directory objects that are in memory anyway. Valid as long as the volume.
  TreeObjects::InMemory objects_in_memory() {
    return [this](const Digest& id) { return object_in_memory(id); };
  }
  // A file of the live tree that was just given these bytes: the next snapshot need not read it, as
  // long as its stamps are these.
  void expect_body(const struct stat& st, const tree::Body& body);
  // A reader of a tree's objects, which looks first among those in memory.
  Result<std::unique_ptr<TreeObjects>> objects_of(const tree::Manifest& manifest);

  // Makes the live tree `name` in `parent` of the newest settled snapshot, at once, and the records
  // of a volume there. kUnsupported if the driver cannot.
  Status fork_to(const std::string& folder, const VolumeRecord& record);
  // No further snapshots: kNotFound from now on. Waits for one in progress and settles.
  Status close();
  // The folder of the live tree, to write in. kNotFound once it was closed: another volume may have its name by then. What was
  // opened before goes on to be this one's.
  Result<UniqueFd> open_live();

  // Memory held for the next comparison, and giving it back (the next snapshot reads it from the
  // packs).
  size_t known_tree_bytes() const;
  void forget_known_tree();

 private:
  struct Pending {
    std::string name;
    NewestRecord record;
    std::vector<std::string> written;     // files to fsync
    std::optional<SnapshotRecord> added;  // for the catalog, unless the tree was the newest there
  };

  Volume(std::string folder, const Driver& driver, const ExportFiles& files, Bodies& bodies,
         FaultPoint fault);
  Status load();
  Status finish_pending();
  Result<Snapshot> run_snapshot();
  enum class As { kNew, kRebuilt };
  Result<Snapshot> publish(const Instant& instant, bool rewrite, As as);
  void note_provisional(const std::vector<ProvisionalFile>& files);
  BuildRequest request_for(const Instant& instant, As as);
  ExpectedBodies take_expected(int64_t taken_ns);
  Status make_durable(const Pending& done);
  void remove_or_leave(int folder, const std::string& name) const;
  VolumeRecord record_now() const;
  Error removed_error() const;
  Status refuse_beyond_quota(const TreeChange& change) const;
  // The number of a snapshot, and its record if it is new; with build_mutex_.
  uint64_t number_of(const Instant& instant, const SnapshotRecord& wanted, Pending& pending);
  Status catalogue(std::span<const Pending> pending);
  void remember_released(std::vector<tree::Object> objects);
  std::optional<std::string> object_in_memory(const Digest& id);
  void ensure_known_tree();
  Status replace_base(const std::string& name);
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  const std::string folder_;
  const Driver& driver_;
  const ExportFiles& files_;
  Bodies& bodies_;
  const FaultPoint fault_;
  VolumeRecord record_;
  std::unique_ptr<Catalog> catalog_;

  // Snapshots in progress: of those who wait, one runs the next round for all.
  std::mutex rounds_mutex_;
  std::condition_variable round_ended_;
  bool running_ = false;
  bool closed_ = false;
  uint64_t rounds_begun_ = 0;
  uint64_t rounds_ended_ = 0;
  std::optional<Result<Snapshot>> last_result_;

  std::mutex build_mutex_;  // held through a round: guards the known tree and its record
  KnownTree known_;
  std::optional<NewestRecord> known_record_;
  uint64_t next_pending_ = 1;
  std::map<uint64_t, ProvisionalFile> provisional_;  // by inode; entries may be gone from the tree
  bool settle_first_ = false;                        // before the round's snapshot is acknowledged
  uint64_t last_number_ = 0;
  // Objects that were part of the known tree lately: what neighbours are compared with.
  std::deque<tree::Object> released_;
  size_t released_bytes_ = 0;

  std::mutex settle_mutex_;  // one settling at a time

  mutable std::mutex state_mutex_;  // short; guards what follows
  std::vector<Pending> pending_;
  Snapshot newest_;
  size_t known_tree_bytes_ = 0;
  int64_t quota_bytes_ = 0;
  Shares shares_;
  std::map<uint64_t, Time> asked_for_;  // snapshots, by number
  ExpectedBodies expected_;             // by inode
};

}  // namespace devrun::storage
