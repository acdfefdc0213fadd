#include "controller/rpc/snapshot_info.h"

#include <algorithm>

namespace devrun::controller {

namespace {
constexpr size_t kJobsNamedMax = 100;
}

JobsOfTrees jobs_of_volume(const State& state, const Who& who, const std::string& volume) {
  JobsOfTrees out;
  for (const auto& [id, job] : state.jobs) {
    const Root& root = job.spec.root;
    if (root.volume != volume || root.tree.is_zero() || !who.may_see(job)) continue;
    out[root.tree].push_back(id);
  }
  return out;
}

void add_jobs(JobsOfTrees& jobs, const std::vector<HistoryTrees>& archived) {
  for (const HistoryTrees& one : archived) {
    if (one.trees.empty() || one.trees.front().is_zero()) continue;
    std::vector<JobId>& of = jobs[one.trees.front()];
    const auto at = std::ranges::lower_bound(of, one.job);
    if (at == of.end() || *at != one.job) of.insert(at, one.job);
  }
}

pb::VolumeInfo volume_info(const storage::VolumeInfo& in, Level level) {
  pb::VolumeInfo out;
  out.set_name(in.name);
  out.set_owner(in.owner);
  out.set_driver(in.driver);
  out.set_created_us(in.created.us);
  if (!in.newest.tree.is_zero()) out.set_newest_tree(std::string(in.newest.tree.view()));
  out.set_newest_taken_us(in.newest.taken.us);
  out.set_newest_files(in.newest.files);
  out.set_newest_bytes(in.newest.bytes);
  out.set_newest_number(in.newest.number);
  out.set_damage(in.damage);
  out.set_quota_bytes(in.quota_bytes);
  out.set_snapshots(in.snapshots);
  out.set_only_listed(level == Level::kSee);
  if (level == Level::kRead) out.set_access(pb::SHARE_FOR_READING);
  if (level == Level::kWrite) out.set_access(pb::SHARE_FOR_WRITING);
  if (level < Level::kOwn) return out;
  for (const auto& [with, access] : in.shares) {
    pb::Share& share = *out.add_shares();
    share.set_with(with);
    share.set_access(static_cast<pb::ShareFor>(access));
  }
  return out;
}

pb::VolumeInfo volume_info(const storage::RemovedVolume& in) {
  pb::VolumeInfo out;
  out.set_name(in.name);
  out.set_owner(in.owner);
  out.set_created_us(in.created.us);
  out.set_removed_us(in.removed.us);
  out.set_kept_until_us(in.kept_until.us);
  return out;
}

pb::SnapshotInfo snapshot_info(const std::string& volume, const storage::SnapshotRecord& in,
                               const JobsOfTrees& jobs) {
  pb::SnapshotInfo out;
  out.set_volume(volume);
  out.set_number(in.number);
  out.set_tree(std::string(in.tree.view()));
  out.set_taken_us(in.taken.us);
  out.set_files(in.files);
  out.set_bytes(in.bytes);
  out.set_changed_bytes(in.changed_bytes);
  out.set_message(in.message);
  out.set_pinned(in.pinned);
  if (const auto found = jobs.find(in.tree); found != jobs.end()) {
    const size_t first =
        found->second.size() > kJobsNamedMax ? found->second.size() - kJobsNamedMax : 0;
    for (size_t i = first; i < found->second.size(); ++i) out.add_jobs(found->second[i]);
  }
  return out;
}

pb::TreeChange tree_change(const tree::Difference& in) {
  pb::TreeChange out;
  out.set_path(in.path);
  if (in.before != nullptr) {
    out.set_type_before(static_cast<uint32_t>(in.before->type));
    out.set_size_before(in.before->size);
    out.set_mode_before(in.before->mode);
  }
  if (in.after != nullptr) {
    out.set_type_after(static_cast<uint32_t>(in.after->type));
    out.set_size_after(in.after->size);
    out.set_mode_after(in.after->mode);
  }
  out.set_owner_changed(in.changes.owner);
  out.set_mtime_changed(in.changes.mtime);
  out.set_xattrs_changed(in.changes.xattrs);
  if (in.before == nullptr) {
    out.set_kind(pb::TreeChange::CREATED);
  } else if (in.after == nullptr) {
    out.set_kind(pb::TreeChange::DELETED);
  } else if (in.changes.type) {
    out.set_kind(pb::TreeChange::TYPE);
  } else if (in.changes.content) {
    out.set_kind(pb::TreeChange::CONTENT);
  } else {
    out.set_kind(pb::TreeChange::ATTRIBUTES);
  }
  return out;
}

}  // namespace devrun::controller
