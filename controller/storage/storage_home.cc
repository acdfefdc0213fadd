// What attempts wrote, and what becomes of it: rounds that store it, and what users do with it later.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/tree/lineage.h"
#include "common/tree/merge.h"
#include "controller/storage/clock.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/home_round.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

bool is_below(const std::string& path, const std::string& folder) {
  return folder.empty() || path == folder ||
         (path.starts_with(folder) && path[folder.size()] == '/');
}

bool is_at_or_below(const std::string& path, const std::vector<std::string>& only) {
  return only.empty() || std::ranges::any_of(only, [&](const std::string& folder) {
           return is_below(path, folder);
         });
}

// Something in it has changed, which is told for itself.
bool is_merely_touched_folder(const tree::Difference& found) {
  tree::Changes changes = found.changes;
  changes.mtime = changes.links = false;
  return found.before != nullptr && found.after != nullptr &&
         found.after->type == tree::EntryType::kDirectory && !changes.any();
}

}  // namespace

HomingParts FolderStorage::homing_parts() {
  return {export_path(),
          jobs_path(),
          *driver_,
          files_,
          bodies_,
          fault_,
          [this](const SetupRecord& record, tree::Reads reads, JobId from) {
            return keep_setup(record, std::move(reads), from);
          }};
}

std::shared_ptr<std::mutex> FolderStorage::homing_lock(const std::string& volume) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<std::mutex>& out = homing_[volume];
  if (!out) out = std::make_shared<std::mutex>();
  return out;
}

Result<std::unique_ptr<HomeRound>> FolderStorage::begin_round(HomeStart start) {
  const std::string name = start.volume;
  std::shared_ptr<Volume> volume = TRY(find(name));
  TRY(refuse_if_full(name));
  return std::unique_ptr<HomeRound>(TRY(
      StoringRound::begin(std::move(start), homing_parts(), std::move(volume), homing_lock(name))));
}

Result<ChangeSet> FolderStorage::change_set(const AttemptKey& key) {
  return read_change_set(jobs_path(), key);
}

Result<std::vector<AttemptKey>> FolderStorage::change_sets(JobId job) {
  return change_sets_of(jobs_path(), job);
}

Status FolderStorage::changes(const AttemptKey& key, const std::vector<std::string>& only,
                              const ChangeSink& sink) {
  const ChangeSet set = TRY(read_change_set(jobs_path(), key));
  TreeSet trees(files_, {});
  const tree::Entry root = TRY(trees.open(set.root))->root;
  const tree::Entry taken = TRY(trees.open(set.taken))->root;
  const tree::Entry left = TRY(trees.open(set.left))->root;
  std::map<std::string, ChangeState> not_taken;
  TRY(tree::diff_trees({trees, taken}, {trees, left}, only, [&](const tree::Difference& found) {
    not_taken.emplace(found.path, ChangeState::kKept);
    return ok();
  }));
  for (const std::string& path : set.conflicts) {
    const auto found = not_taken.find(path);
    if (found != not_taken.end()) found->second = ChangeState::kConflict;
  }
  return tree::diff_trees({trees, root}, {trees, left}, only, [&](const tree::Difference& found) {
    if (is_merely_touched_folder(found)) return ok();
    Change change;
    change.path = found.path;
    change.kind = found.before == nullptr ? 'A' : found.after == nullptr ? 'D' : 'M';
    change.before = found.before;
    change.after = found.after;
    const auto state = not_taken.find(found.path);
    change.state = state == not_taken.end() ? ChangeState::kHome : state->second;
    return sink(change);
  });
}

Result<Taken> FolderStorage::take_changes(const TakeRequest& request, Work& work) {
  ChangeSet set = TRY(read_change_set(jobs_path(), request.key));
  const std::shared_ptr<Volume> volume = TRY(find(set.volume));
  TRY(refuse_if_full(set.volume));
  const std::shared_ptr<std::mutex> lock = homing_lock(set.volume);
  const std::lock_guard homing(*lock);
  set = TRY(read_change_set(jobs_path(), request.key));
  const RecentUses::Build build(bodies_.uses());
  const tree::Chooser wanted = [&](const std::string& path, const tree::Entry*,
                                   const tree::Entry*) {
    // Files of one database are asked for together.
    const std::vector<std::string> files = database_files(path);
    return is_at_or_below(path, request.paths) ||
           std::ranges::any_of(files, [&](const std::string& file) {
             return std::ranges::find(request.paths, file) != request.paths.end();
           });
  };
  TreeSet trees(files_, volume->objects_in_memory());
  Taken out =
      TRY(Homing(homing_parts(), *volume)
              .run(trees, set, {.choose = wanted, .beside = request.beside, .over = request.over}));
  if (!out.kept.empty()) {
    work.tell(fmt::format(
        "what was in the way is kept in {}; devrun snapshot restore {} PATH brings it back",
        out.kept, out.kept));
  }
  return out;
}

Result<Taken> FolderStorage::undo_changes(const AttemptKey& key, Work&) {
  ChangeSet set = TRY(read_change_set(jobs_path(), key));
  const std::shared_ptr<Volume> volume = TRY(find(set.volume));
  TRY(refuse_if_full(set.volume));
  const std::shared_ptr<std::mutex> lock = homing_lock(set.volume);
  const std::lock_guard homing(*lock);
  set = TRY(read_change_set(jobs_path(), key));
  const RecentUses::Build build(bodies_.uses());
  const tree::Chooser all = [](const std::string&, const tree::Entry*, const tree::Entry*) {
    return true;
  };
  TreeSet trees(files_, volume->objects_in_memory());
  return Homing(homing_parts(), *volume)
      .run(trees, set, {.direction = Homing::Direction::kOut, .choose = all});
}

Status FolderStorage::diff_trees(const Digest& before, const Digest& after,
                                 const DifferenceSink& sink) {
  TreeSet trees(files_, {});
  const tree::Entry one = TRY(trees.open(before))->root;
  const tree::Entry other = TRY(trees.open(after))->root;
  return tree::diff_trees({trees, one}, {trees, other}, {}, sink);
}

Status FolderStorage::read_tree_file(const Digest& tree, const std::string& path,
                                     uint64_t bytes_max, const BytesSink& sink) {
  TreeSet trees(files_, {});
  const tree::Entry root = TRY(trees.open(tree))->root;
  return read_body(TRY(tree::find_entry({trees, root}, path)), path, bytes_max, sink);
}

Result<Digest> FolderStorage::derive_tree(const std::string& volume, const Digest& tree,
                                          const std::vector<Layer>& over) {
  const std::shared_ptr<Volume> found = TRY(find(volume));
  const RecentUses::Build build(bodies_.uses());
  TreeSet trees(files_, found->objects_in_memory());
  tree::Manifest at = *TRY(trees.open(tree));
  std::vector<std::string> written;
  for (const auto& [key, laid] : over) {
    const Result<ChangeSet> set = read_change_set(jobs_path(), key);
    if (!set && set.error().code == Code::kNotFound) continue;
    if (!set) return set.error();
    const Digest& from = laid == Laid::kWhole ? set->began_with() : set->root;
    const Digest& to = laid == Laid::kWhole   ? set->ended_with()
                       : laid == Laid::kTaken ? set->taken
                                              : set->left;
    const tree::Entry root = TRY(trees.open(from))->root;
    const tree::Entry left = TRY(trees.open(to))->root;
    const tree::Lineage mixed =
        tree::lineage_of(fmt::format("{} over {}", folder_name(key), at.tree.hex()));
    // What the job wrote stays where both changed something: it is laid over.
    const tree::Entry merged =
        TRY(tree::merge_trees({trees, root, left, at.root, at.lineage, mixed}, trees.sink(),
                              [](const tree::Conflict&) { return ok(); }));
    at = TRY(trees.publish(at, merged, written));
  }
  TRY(sync_with_folders(written));
  return at.tree;
}

Result<Digest> FolderStorage::derive_volume_tree(const std::string& volume, const Digest& tree,
                                                 const std::vector<Layer>& over,
                                                 const Digest& given) {
  const Digest plain = TRY(derive_tree(volume, tree, over));
  const std::shared_ptr<Volume> found = TRY(find(volume));
  const RecentUses::Build build(bodies_.uses());
  TreeSet trees(files_, found->objects_in_memory());
  const tree::Manifest base = *TRY(trees.open(plain));
  const tree::Entry other = TRY(trees.open(given))->root;
  const tree::Chooser of_both = [](const std::string&, const tree::Entry* ours,
                                   const tree::Entry* theirs) {
    const auto is_file = [](const tree::Entry* one) {
      return one != nullptr && one->type != tree::EntryType::kDirectory;
    };
    return is_file(ours) && is_file(theirs);
  };
  const tree::Entry mixed =
      TRY(tree::select_tree({trees, base.root, other, base.lineage, of_both}, trees.sink()));
  std::vector<std::string> written;
  const Digest out = TRY(trees.publish(base, mixed, written)).tree;
  TRY(sync_with_folders(written));
  return out;
}

void FolderStorage::finish_homing() {
  const Result<std::vector<Applying>> left = all_applying(jobs_path());
  if (!left) {
    log::error("{}", left.error().message);
    return;
  }
  for (const Applying& applying : *left) {
    const Result<std::shared_ptr<Volume>> volume = find(applying.volume);
    const Status done =
        volume ? Homing(homing_parts(), **volume).recover(applying) : Status(volume.error());
    if (!done) {
      log::error("bringing {} home was interrupted, and what lies aside stays there: {}",
                 to_string(applying.key), done.error().message);
    }
  }
}

Result<std::vector<Digest>> FolderStorage::trees_of_change_sets(const CollectRequest& request,
                                                                const JobTrees& jobs) const {
  std::vector<Digest> out;
  for (const AttemptKey& key : TRY(all_change_sets(jobs_path()))) {
    const ChangeSet set = TRY(read_change_set(jobs_path(), key));
    const bool is_young = set.changed + request.retention.age > clock_now();
    if (!is_young && !jobs.contains(set.root)) continue;
    for (const Digest& tree : {set.root, set.left, set.taken, set.given, set.whole}) {
      if (!tree.is_zero()) out.push_back(tree);
    }
  }
  return out;
}

}  // namespace devrun::storage
