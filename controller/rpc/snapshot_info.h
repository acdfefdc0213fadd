// Volumes and snapshots as the protocol has them.
#pragma once

#include <map>
#include <vector>

#include "common/tree/diff.h"
#include "controller/core/state.h"
#include "controller/journal/history.h"
#include "controller/rpc/identity.h"
#include "controller/storage/storage.h"
#include "devrun/v1/client.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

// The jobs of a volume that the caller may see, by the tree they run or ran in, ascending.
using JobsOfTrees = std::map<Digest, std::vector<JobId>>;
JobsOfTrees jobs_of_volume(const State& state, const Who& who, const std::string& volume);
// Those of the volume that have left the ledger, too: the newest of them.
inline constexpr size_t kArchivedJobsMax = 10'000;
void add_jobs(JobsOfTrees& jobs, const std::vector<HistoryTrees>& archived);

// For somebody of that level: with whom it is shared is told to its owner.
pb::VolumeInfo volume_info(const storage::VolumeInfo& in, Level level);
pb::VolumeInfo volume_info(const storage::RemovedVolume& in);
pb::SnapshotInfo snapshot_info(const std::string& volume, const storage::SnapshotRecord& in,
                               const JobsOfTrees& jobs = {});
pb::TreeChange tree_change(const tree::Difference& in);

}  // namespace devrun::controller
