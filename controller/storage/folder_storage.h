// Storage in a folder:
//   volumes/V                 a volume (see volume.h)
//   volumes/.new.V            one that is being made, or what is added to one; opening deletes it
//   volumes/.removed/V.T      removed at T (µs), kept for 7 days (removed.h)
//   export/                   what nodes read (export_files.h)
//   jobs/                     output of jobs
// A thread settles the volumes' snapshots soon after they were acknowledged.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "controller/storage/bodies.h"
#include "controller/storage/driver.h"
#include "controller/storage/export_files.h"
#include "controller/storage/homing.h"
#include "controller/storage/settler.h"
#include "controller/storage/setups.h"
#include "controller/storage/space_reserve.h"
#include "controller/storage/storage.h"
#include "controller/storage/traces.h"
#include "controller/storage/volume.h"

namespace devrun::storage {

class FolderStorage final : public Storage {
 public:
  FolderStorage(const std::string& store, std::unique_ptr<Driver> driver, FaultPoint fault);
  ~FolderStorage() override;

  Status load();

  // ── volumes (storage.cc, storage_volumes.cc) ──
  using Storage::create_volume;
  Status create_volume(const NewVolume& wanted, Work& work) override;
  Status import_archive(const std::string& volume, const std::string& folder,
                        const FromArchive& archive, const MayGoOn& may_add, Work& work) override;
  Result<Time> remove_volume(const std::string& name, const MayGoOn& is_unused) override;
  Result<std::vector<RemovedVolume>> removed_volumes() override;
  Status return_volume(const std::string& name) override;
  Status set_quota(const std::string& volume, int64_t bytes) override;
  Status share(const std::string& volume, const std::string& with,
               std::optional<ShareFor> access) override;
  Result<PathRules> volume_paths(const std::string& volume) override;
  Status set_volume_paths(const std::string& volume, const PathRules& rules) override;
  Result<std::vector<VolumeInfo>> volumes() override;
  Result<VolumeInfo> volume(const std::string& name) override;
  Result<Snapshot> take_snapshot(const std::string& volume) override;
  Status keep_trace(const std::string& volume, const std::vector<std::string>& argv,
                    std::string_view trace) override;

  // ── snapshots by name (storage_snapshots.cc) ──
  Result<StoreUsage> usage() override;
  Result<std::vector<SnapshotRecord>> snapshots(const std::string& volume) override;
  Result<SnapshotRecord> find_snapshot(const SnapshotName& name) override;
  Result<SnapshotRecord> keep_snapshot(const std::string& volume,
                                       const std::string& message) override;
  Result<SnapshotRecord> remove_snapshot(const SnapshotName& name) override;
  Result<Restored> restore(const SnapshotName& name, const std::vector<std::string>& paths,
                           Work& work) override;
  Status diff(const SnapshotName& before, const SnapshotName& after,
              const std::function<Status(const SnapshotRecord&, const SnapshotRecord&)>& begin,
              const DifferenceSink& sink) override;
  Status read_file(const SnapshotName& name, const std::string& path, uint64_t bytes_max,
                   const BytesSink& sink) override;
  Result<Collected> collect(const CollectRequest& request) override;

  // ── what attempts wrote (storage_home.cc) ──
  Result<std::unique_ptr<HomeRound>> begin_round(HomeStart start) override;
  Result<ChangeSet> change_set(const AttemptKey& key) override;
  Result<std::vector<AttemptKey>> change_sets(JobId job) override;
  Status changes(const AttemptKey& key, const std::vector<std::string>& only,
                 const ChangeSink& sink) override;
  Result<Taken> take_changes(const TakeRequest& request, Work& work) override;
  Result<Taken> undo_changes(const AttemptKey& key, Work& work) override;
  Status diff_trees(const Digest& before, const Digest& after, const DifferenceSink& sink) override;
  Status read_tree_file(const Digest& tree, const std::string& path, uint64_t bytes_max,
                        const BytesSink& sink) override;
  Result<Digest> derive_tree(const std::string& volume, const Digest& tree,
                             const std::vector<Layer>& over) override;
  Result<Digest> derive_volume_tree(const std::string& volume, const Digest& tree,
                                    const std::vector<Layer>& over, const Digest& given) override;

  Result<SetupFound> find_setup(const SetupWish& wish) override;
  Result<size_t> save_records(const std::string& folder) override;  // store_records.cc

  std::string live_path(const std::string& volume) const override {
    return volume_folder(volume) + "/live";
  }
  std::string export_path() const override { return store_ + "/export"; }
  std::string jobs_path() const override { return store_ + "/jobs"; }

 private:
  // A tree that is looked into.
  struct OpenTree {
    std::shared_ptr<Volume> volume;
    SnapshotRecord record;
    tree::Manifest manifest;
    std::unique_ptr<TreeObjects> objects;
    tree::TreeRef ref() const { return {*objects, manifest.root}; }
  };

  std::string volume_folder(std::string_view name) const;
  Result<std::shared_ptr<Volume>> find(const std::string& name);
  std::vector<std::shared_ptr<Volume>> all_volumes();
  Status open_volume(const std::string& name);
  // Takes `name` for one that is being made; kExists.
  Status reserve(const std::string& name);
  void release(const std::string& name);
  Status remove_open_volume(Volume& volume, const std::string& name, Time removed);
  Status make_volume(const std::string& folder, const NewVolume& wanted, Work& work);
  // A copy of a volume's snapshot or live state into `folder`; with its record.
  Status copy_volume(const std::string& folder, const VolumeRecord& record,
                     const SnapshotName& from, Work& work);
  Status add_unpacked(Volume& volume, const std::string& unpacked, const std::string& folder,
                      Work& work);
  Status refuse_if_full(const std::string& volume);
  // An empty snapshot name: the live state, of which a snapshot is taken.
  Result<OpenTree> open_tree(const SnapshotName& name);
  Status read_body(const tree::Entry& entry, const std::string& path, uint64_t bytes_max,
                   const BytesSink& sink) const;
  HomingParts homing_parts();
  // Held while the volume's live tree is written by us.
  std::shared_ptr<std::mutex> homing_lock(const std::string& volume);
  void finish_homing();
  // ── setup steps (storage_setups.cc) ──
  Result<std::optional<Digest>> lay_setup(TreeSet& trees, const SetupRecord& record,
                                          const Digest& plain, bool may_conflict,
                                          std::string& conflict);
  Status keep_setup(SetupRecord record, tree::Reads reads, JobId from);
  Result<SetupFound> after_failure(TreeSet& trees, const SetupWish& wish, const tree::Entry& now);
  // Trees of change sets that are kept.
  Result<std::vector<Digest>> trees_of_change_sets(const CollectRequest& request,
                                                   const JobTrees& jobs) const;
  void commit();
  void settle_all();
  void bound_memory();

  const std::string store_;
  const std::unique_ptr<Driver> driver_;
  const FaultPoint fault_;
  Bodies bodies_;
  const ExportFiles files_;
  SpaceReserve reserve_;

  std::mutex collect_mutex_;  // held through a collection
  Collector collector_;

  TraceFiles traces_;
  Setups setups_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, std::shared_ptr<Volume>> volumes_;
  std::map<std::string, Error> damaged_;  // volumes that could not be opened
  std::set<std::string> being_made_;
  std::set<std::string>
      leaving_;  // of which it is still asked whether they may go; nobody finds them
  uint64_t imports_ = 0;
  std::map<std::string, std::shared_ptr<std::mutex>> homing_;  // by volume
  Settler settler_;
};

}  // namespace devrun::storage
