// Volumes and their snapshots, on the storage host. The records live in the store itself
// (volumes/V/volume.json, export/trees/…), so that the store can be moved and checked without a
// journal.
//
// Every call blocks and may be made from any thread; calls for one volume are serialized inside. A
// snapshot that was acknowledged survives power loss.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/path_rules.h"
#include "common/tree/diff.h"
#include "common/tree/tree.h"
#include "controller/storage/catalog.h"
#include "controller/storage/collector.h"
#include "controller/storage/fault.h"
#include "controller/storage/home.h"
#include "controller/storage/records.h"
#include "controller/storage/setups.h"
#include "controller/storage/work.h"

namespace devrun::storage {

struct Snapshot {
  Digest tree;
  Time taken;  // when its instant was
  uint64_t files = 0;
  int64_t bytes = 0;
  uint64_t number = 0;  // in the volume's catalog
};

struct VolumeInfo {
  std::string name;
  std::string owner;
  std::string driver;  // btrfs, scan
  Time created;
  Snapshot newest;          // zero tree: none yet
  std::string damage = {};  // why it cannot be used; empty: it can
  int64_t quota_bytes = 0;  // of the files in a snapshot, by each name; 0: none
  uint64_t snapshots = 0;
  Shares shares = {};
};

struct FromDebootstrap {
  std::string suite;
  std::vector<std::string> include;
};
struct FromFolder {
  std::string path;
};
struct Empty {};
struct FromArchive {
  int fd = -1;  // a tar archive is read from it, to its end
};
struct FromImage {
  std::string reference;  // as skopeo names it; without a transport: of a registry
};
// A snapshot of a volume, as Storage::find_snapshot takes it, or the live state now.
struct SnapshotName {
  std::string volume;
  std::string snapshot;  // empty: the live state
};
struct FromVolume {
  SnapshotName from;
};
using VolumeSource =
    std::variant<FromDebootstrap, FromFolder, Empty, FromArchive, FromImage, FromVolume>;

struct NewVolume {
  std::string name;
  std::string owner;
  VolumeSource source;
  int64_t quota_bytes = 0;  // see VolumeInfo
};

// What one volume holds of the store. Bodies are counted once however many files have them.
struct VolumeUsage {
  std::string name;
  int64_t live_bytes = 0;    // of the files in its newest snapshot, by each name
  int64_t own_bytes = 0;     // of bodies that only its snapshots have
  int64_t shared_bytes = 0;  // of bodies that other volumes' snapshots have too
  uint64_t snapshots = 0;
  int64_t quota_bytes = 0;
};
struct StoreUsage {
  std::vector<VolumeUsage> volumes;
  int64_t store_bytes = 0;
  int64_t store_free_bytes = 0;
};

struct RemovedVolume {
  std::string name;
  std::string owner;
  Time created;
  Time removed;
  Time kept_until;
};

struct Restored {
  SnapshotRecord before;  // what was there
  uint64_t entries = 0;   // that were written or removed
};

// Called with each difference; valid during the call.
using DifferenceSink = std::function<Status(const tree::Difference&)>;
using BytesSink = std::function<Status(std::string_view)>;
// Asked at the last moment, when what was asked for before may have changed; an Error ends the call with nothing changed.
using MayGoOn = std::function<Status()>;

class Storage {
 public:
  // `store` is the folder that holds volumes/, export/ and jobs/; created if missing. kUnsupported
  // if volumes cannot be on its file system (see driver.h). Undoes what a crash left half done.
  // A volume whose records are damaged is shown so and used by nobody; the others work.
  static Result<std::unique_ptr<Storage>> open(std::string store, FaultPoint fault = {});

  virtual ~Storage() = default;

  // kInvalid for a bad name, kExists for a taken one. Nothing of it is left after a failure or when
  // the work was stopped.
  virtual Status create_volume(const NewVolume& wanted, Work& work) = 0;
  Status create_volume(const std::string& name, const std::string& owner,
                       const VolumeSource& source, const ProgressLine& progress);
  // Adds the archive's members at `folder` (as path_in_volume gives it) of the live tree. Nothing
  // is changed before the archive has ended and `may_add` was asked; what is not in it stays. kNotFound if that very volume was
  // removed meanwhile.
  virtual Status import_archive(const std::string& volume, const std::string& folder,
                                const FromArchive& archive, const MayGoOn& may_add, Work& work) = 0;
  // Kept aside for 7 days; returns until when. `is_unused` is asked when nobody finds the volume any more: who uses it since
  // is known to it, and nobody else begins to.
  virtual Result<Time> remove_volume(const std::string& name, const MayGoOn& is_unused) = 0;
  virtual Result<std::vector<RemovedVolume>> removed_volumes() = 0;
  // The one of this name that was removed last. kExists if the name is taken meanwhile.
  virtual Status return_volume(const std::string& name) = 0;
  virtual Status set_quota(const std::string& volume, int64_t bytes) = 0;
  // nullopt: not with them any more. Durable when it returns; kExhausted beyond kSharesMax.
  virtual Status share(const std::string& volume, const std::string& with,
                       std::optional<ShareFor> access) = 0;
  // The kinds of paths that somebody has set for a volume (common/model/path_rules.h); durable when
  // it returns. kCorrupt: they cannot be read.
  virtual Result<PathRules> volume_paths(const std::string& volume) = 0;
  virtual Status set_volume_paths(const std::string& volume, const PathRules& rules) = 0;
  // Reads the directory objects of all snapshots of all volumes.
  virtual Result<StoreUsage> usage() = 0;
  virtual Result<std::vector<VolumeInfo>> volumes() = 0;
  virtual Result<VolumeInfo> volume(const std::string& name) = 0;

  // The state of the live tree at an instant after the call began; durable when it returns. Calls
  // that wait for one in progress share the next one.
  virtual Result<Snapshot> take_snapshot(const std::string& volume) = 0;

  // ── snapshots by name: a number of the volume's catalog, or a tree's first digits ──
  virtual Result<std::vector<SnapshotRecord>> snapshots(const std::string& volume) = 0;
  // Is not collected within the next hour.
  virtual Result<SnapshotRecord> find_snapshot(const SnapshotName& name) = 0;
  // Of the live state, pinned.
  virtual Result<SnapshotRecord> keep_snapshot(const std::string& volume,
                                               const std::string& message) = 0;
  // kConflict for the newest one. What it held alone is collected later.
  virtual Result<SnapshotRecord> remove_snapshot(const SnapshotName& name) = 0;
  // Takes a snapshot, then makes the live tree, or `paths` of it (as path_in_volume gives them),
  // what the snapshot says. What is edited meanwhile may stay or go.
  virtual Result<Restored> restore(const SnapshotName& name, const std::vector<std::string>& paths,
                                   Work& work) = 0;
  // `begin` is called first, with the snapshots that are compared.
  virtual Status diff(
      const SnapshotName& before, const SnapshotName& after,
      const std::function<Status(const SnapshotRecord&, const SnapshotRecord&)>& begin,
      const DifferenceSink& sink) = 0;
  // The bytes of the regular file at `path`, in pieces. kExhausted beyond `bytes_max`.
  virtual Status read_file(const SnapshotName& name, const std::string& path, uint64_t bytes_max,
                           const BytesSink& sink) = 0;

  // What a run of that command line in the volume read first (traces.h). kNotFound: no such volume;
  // kCorrupt: not a trace.
  virtual Status keep_trace(const std::string& volume, const std::vector<std::string>& argv,
                            std::string_view trace) = 0;

  // ── what attempts wrote (home.h) ──
  virtual Result<std::unique_ptr<HomeRound>> begin_round(HomeStart start) = 0;
  // kNotFound: nothing of that attempt has come.
  virtual Result<ChangeSet> change_set(const AttemptKey& key) = 0;
  // Of a job, by task, rank and attempt.
  virtual Result<std::vector<AttemptKey>> change_sets(JobId job) = 0;
  // Each difference that the attempt made, at or below `only` (as path_in_volume gives them) if any.
  virtual Status changes(const AttemptKey& key, const std::vector<std::string>& only,
                         const ChangeSink& sink) = 0;
  virtual Result<Taken> take_changes(const TakeRequest& request, Work& work) = 0;
  virtual Result<Taken> undo_changes(const AttemptKey& key, Work& work) = 0;
  // Of any two published trees.
  virtual Status diff_trees(const Digest& before, const Digest& after,
                            const DifferenceSink& sink) = 0;
  virtual Status read_tree_file(const Digest& tree, const std::string& path, uint64_t bytes_max,
                                const BytesSink& sink) = 0;
  // `tree` with what each of these attempts wrote, or what of it came home, laid over it, in order.
  // Published and durable. Change sets that are not there count as empty.
  virtual Result<Digest> derive_tree(const std::string& volume, const Digest& tree,
                                     const std::vector<Layer>& over) = 0;
  // The same, but where it and `given` both have a file and these differ, given's: what a job changes that somebody put over the
  // volume's is a change of that, and meets the volume's as a conflict.
  virtual Result<Digest> derive_volume_tree(const std::string& volume, const Digest& tree,
                                            const std::vector<Layer>& over,
                                            const Digest& given) = 0;

  // Whether a setup step that was kept would do the same in this tree. Published and durable.
  virtual Result<SetupFound> find_setup(const SetupWish& wish) = 0;

  // Copies its records into a new folder, as they lie below `store` (store_records.h): everything but the bytes of files.
  // How many volumes there were.
  virtual Result<size_t> save_records(const std::string& folder) = 0;

  // Deletes what nothing refers to (see collector.h). One at a time.
  virtual Result<Collected> collect(const CollectRequest& request) = 0;

  // Absolute paths on the storage host.
  virtual std::string live_path(const std::string& volume) const = 0;
  virtual std::string export_path() const = 0;
  virtual std::string jobs_path() const = 0;
};

// [a-z0-9][a-z0-9._-]{0,62}
Status check_volume_name(std::string_view name);

}  // namespace devrun::storage
