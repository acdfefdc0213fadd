// Whether a setup step that ran before would have done the same in another tree, and what a job, or
// the step itself, begins with then.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "common/tree/lineage.h"
#include "common/tree/merge.h"
#include "controller/storage/change_record.h"
#include "controller/storage/clock.h"
#include "controller/storage/folder_storage.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

constexpr size_t kChangesToldMax = 3;
constexpr size_t kRecordsTriedMax = 8;

// What devrun's own prologue asks of the caller's home, and sees to itself.
bool is_task_folder(const std::string& path, const std::string& home) {
  return home.size() > 1 && "/" + path == home + "/sky_workdir";
}

bool is_folder_or_link(const tree::Entry* entry) {
  return entry == nullptr || entry->type == tree::EntryType::kSymlink;
}

std::string words_of(const std::vector<tree::ChangedRead>& changed, JobId job) {
  std::string out = fmt::format("since job {} ran it: ", job);
  for (size_t i = 0; i < changed.size() && i < kChangesToldMax; ++i) {
    out += fmt::format("{}/{} {}", i == 0 ? "" : ", ", changed[i].path,
                       tree::changed_read_word(changed[i].how));
  }
  if (changed.size() > kChangesToldMax) out += " and more";
  return out;
}

using WhatIsSpared =
    std::function<tree::Spared(const std::string&, const tree::Entry*, const tree::Entry*)>;

WhatIsSpared task_folder_spared(const std::string& home) {
  return [home](const std::string& path, const tree::Entry* before, const tree::Entry* now) {
    const bool same =
        is_task_folder(path, home) && is_folder_or_link(before) && is_folder_or_link(now);
    return same ? tree::Spared::kSame : tree::Spared::kNo;
  };
}

// The scripts make that folder, and the home where the volume has none: what a step left has them, the tree without has not.
WhatIsSpared made_by_prologue_spared(const std::string& home) {
  return [home, folder = task_folder_spared(home)](
             const std::string& path, const tree::Entry* before, const tree::Entry* now) {
    if (const tree::Spared spared = folder(path, before, now); spared != tree::Spared::kNo) {
      return spared;
    }
    const bool leads_there = (home + "/sky_workdir/").starts_with("/" + path + "/");
    return leads_there ? tree::Spared::kAsEmpty : tree::Spared::kNo;
  };
}

}  // namespace

// Of `record`, laid over `plain`; none: both changed something, which is told.
Result<std::optional<Digest>> FolderStorage::lay_setup(TreeSet& trees, const SetupRecord& record,
                                                       const Digest& plain, bool may_conflict,
                                                       std::string& conflict) {
  if (record.plain == plain) return std::optional(record.left);
  const tree::Entry base = TRY(trees.open(record.plain))->root;
  const tree::Entry left = TRY(trees.open(record.left))->root;
  const tree::Manifest ours = *TRY(trees.open(plain));
  const tree::Lineage mixed =
      tree::lineage_of(fmt::format("setup of {} over {}", record.left.hex(), plain.hex()));
  const tree::Entry merged =
      TRY(tree::merge_trees({trees, base, ours.root, left, ours.lineage, mixed}, trees.sink(),
                            [&](const tree::Conflict& one) {
                              if (conflict.empty()) conflict = one.path;
                              return ok();
                            }));
  if (!conflict.empty() && !may_conflict) return std::optional<Digest>();
  std::vector<std::string> written;
  const Digest out = TRY(trees.publish(ours, merged, written)).tree;
  TRY(sync_with_folders(written));
  return std::optional(out);
}

// What it was not asked to tell, or could not, may have been anything.
Result<SetupFound> FolderStorage::after_failure(TreeSet& trees, const SetupWish& wish,
                                                const tree::Entry& now) {
  const FailedSetup& failed = *wish.failed;
  SetupFound out{SetupHow::kCold, wish.plain, 0,
                 fmt::format("job {}, which began with what job {} had left, failed",
                             failed.run.job, failed.from)};
  const Result<std::string> bytes = read_failed_reads(jobs_path(), failed.run);
  if (!bytes) return out;
  const Result<tree::Reads> reads = tree::decode_reads(*bytes);
  if (!reads) return out;
  const tree::Entry begun = TRY(trees.open(failed.began_with))->root;
  const std::vector<tree::ChangedRead> others =
      TRY(tree::changed_reads(trees, begun, now, *reads, 1, made_by_prologue_spared(wish.home)));
  out.stands = others.empty();
  if (!others.empty()) out.why += fmt::format("; it has looked at /{}", others[0].path);
  return out;
}

Result<SetupFound> FolderStorage::find_setup(const SetupWish& wish) {
  SetupFound out{SetupHow::kCold, wish.plain, 0, "nothing like it has run here"};
  if (wish.which.fresh) {
    out.why = "asked for with --fresh-setup";
    return out;
  }
  const std::shared_ptr<Volume> volume = TRY(find(wish.volume));
  const RecentUses::Build build(bodies_.uses());
  TreeSet trees(files_, volume->objects_in_memory());
  const WhatIsSpared spared = task_folder_spared(wish.home);
  const tree::Entry now = TRY(trees.open(wish.plain))->root;
  const std::vector<SetupRecord> records = TRY(setups_.of_family(wish.which.family));
  std::string why;
  size_t tried = 0;
  for (const SetupRecord& record : records) {
    if (record.which.key != wish.which.key || ++tried > kRecordsTriedMax) continue;
    const Result<const tree::Manifest*> before = trees.open(record.plain);
    const Result<tree::Reads> reads = setups_.reads(record);
    if (!before || !reads || !trees.open(record.left)) continue;
    const std::vector<tree::ChangedRead> changed =
        TRY(tree::changed_reads(trees, (*before)->root, now, *reads, kChangesToldMax + 1, spared));
    if (!changed.empty()) {
      if (why.empty()) why = words_of(changed, record.job);
      continue;
    }
    std::string conflict;
    const auto laid = TRY(lay_setup(trees, record, wish.plain, false, conflict));
    if (laid) {
      SetupRecord used = record;
      used.used = clock_now();
      setups_.use(std::move(used));
      return SetupFound{
          SetupHow::kHit, *laid, record.job,
          fmt::format("nothing that it read has changed since job {} ran it", record.job)};
    }
    why = fmt::format("/{}, which it writes, is another one since job {} ran it", conflict,
                      record.job);
  }
  if (wish.hits_only) return out;
  if (wish.failed) return after_failure(trees, wish, now);
  for (const SetupRecord& record : records) {
    if (!trees.open(record.plain) || !trees.open(record.left)) continue;
    if (!setups_.reads(record)) continue;  // nothing could be kept of a run that begins with it
    std::string conflict;
    const auto laid = TRY(lay_setup(trees, record, wish.plain, true, conflict));
    if (why.empty()) {
      why =
          fmt::format("its text or environment is not what it was when job {} ran it", record.job);
    }
    return SetupFound{SetupHow::kNear, *laid, record.job, why};
  }
  return out;
}

Status FolderStorage::keep_setup(SetupRecord record, tree::Reads reads, JobId from) {
  // What it began with is the work of others, and depends on what these have read.
  if (from != 0) {
    const std::vector<SetupRecord> family = TRY(setups_.of_family(record.which.family));
    const auto before = std::ranges::find(family, from, &SetupRecord::job);
    if (before == family.end()) return ok();
    const tree::Reads of_before = TRY(setups_.reads(*before));
    tree::merge_reads(reads, of_before);
  }
  if (tree::count_names(reads) > tree::kReadNamesMax) return ok();
  record.used = clock_now();
  return setups_.keep(record, reads);
}

}  // namespace devrun::storage
