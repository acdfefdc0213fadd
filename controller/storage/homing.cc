#include "controller/storage/homing.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/file.h"
#include "common/tree/lineage.h"
#include "common/tree/merge_entry.h"
#include "common/tree/stat_values.h"
#include "common/tree/upper.h"
#include "controller/storage/clock.h"
#include "controller/storage/closed_folders.h"
#include "controller/storage/home_writer.h"
#include "controller/storage/linked_names.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

constexpr size_t kConflictsToldMax = 1000;
constexpr size_t kNameBytesMax = 255;
constexpr int kNamesBesideMax = 100;

// Paths that are in one of a set of paths, or below one.
class PathSet {
 public:
  // With all that is below it, or alone.
  void add(const std::string& path, bool whole) {
    bool& known = paths_[path];
    known = known || whole;
  }
  bool covers(const std::string& path) const {
    if (paths_.contains(path)) return true;
    for (size_t end = path.size(); !paths_.empty() && end != std::string::npos && end > 0;) {
      const auto found = paths_.find(path.substr(0, end));
      if (found != paths_.end() && found->second) return true;
      end = path.rfind('/', end - 1);
    }
    return false;
  }
  bool has(const std::string& path) const { return paths_.contains(path); }
  size_t size() const { return paths_.size(); }
  const std::map<std::string, bool>& all() const { return paths_; }

 private:
  std::map<std::string, bool> paths_;
};

// "x.devrun-42", "x.devrun-42.2", …; of long names the beginning.
std::string name_beside(const std::string& path, const std::string& who, int number) {
  const std::string tail =
      fmt::format(".devrun-{}{}", who, number == 1 ? std::string() : fmt::format(".{}", number));
  const size_t begin = path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1;
  size_t end = std::min(path.size(), begin + kNameBytesMax - tail.size());
  // Not in the middle of a character.
  while (end < path.size() && end > begin + 1 && (static_cast<uint8_t>(path[end]) & 0xc0) == 0x80) {
    --end;
  }
  return path.substr(0, end) + tail;
}

// Whether the folder, "root/proj/" or "", has a name that `who` may have been put beside under.
Result<bool> has_name_beside(TreeSet& trees, const tree::Entry& root, const std::string& folder,
                             const std::string& who) {
  const Result<tree::Entry> there =
      folder.empty() ? root : tree::find_entry({trees, root}, folder.substr(0, folder.size() - 1));
  if (!there || there->type != tree::EntryType::kDirectory) return false;
  const std::string mark = ".devrun-" + who;
  const tree::Directory directory = TRY(trees.read(there->directory));
  return std::ranges::any_of(directory.entries, [&](const tree::Entry& entry) {
    return entry.name.find(mark) != std::string::npos;
  });
}

// A folder of a tree as an upper without anything below it.
Result<tree::UpperFolder> whole_folder(TreeSet& trees, const tree::Entry& folder) {
  tree::UpperFolder out;
  const tree::Directory directory = TRY(trees.read(folder.directory));
  for (const tree::Entry& entry : directory.entries) {
    tree::UpperEntry& added = out.entries.emplace_back();
    added.entry = entry;
    if (entry.type == tree::EntryType::kDirectory) added.folder = TRY(whole_folder(trees, entry));
  }
  return out;
}

}  // namespace

std::vector<std::string> database_files(const std::string& path) {
  static constexpr std::string_view kTails[] = {"-wal", "-shm", "-journal"};
  std::string stem = path;
  for (const std::string_view tail : kTails) {
    if (stem.ends_with(tail) && stem.size() > tail.size()) {
      stem.resize(stem.size() - tail.size());
      break;
    }
  }
  std::vector<std::string> out{stem};
  for (const std::string_view tail : kTails) out.push_back(stem + std::string(tail));
  return out;
}

struct Homing::Trees {
  TreeSet& set;
  tree::Entry base;  // what of the change set the volume has
  tree::Entry now;   // the volume
  tree::Manifest base_manifest;
  tree::Manifest now_manifest;
  tree::Entry source;  // what is brought in: `left`, or `root` when it is taken out
  std::set<std::string> databases =
      {};  // first files of those that come together, see home_writer.h
};

struct Homing::Merged {
  tree::Entry root;
  PathSet conflicts;
};

// Databases of which both sides changed something, be it another file each: all that `theirs` changes
// of them. A file of one state beside the log of another is a damaged database.
Result<std::vector<std::string>> Homing::torn_databases(Trees& trees, const tree::Entry& theirs) {
  using Paths = std::set<std::string>;
  const auto differences = [&](const tree::Entry& from, const tree::Entry& to) -> Result<Paths> {
    Paths out;
    TRY(tree::diff_trees({trees.set, from}, {trees.set, to}, {}, [&](const tree::Difference& one) {
      const tree::Entry* const entry = one.after != nullptr ? one.after : one.before;
      if (entry->type != tree::EntryType::kDirectory) out.insert(one.path);
      return ok();
    }));
    return out;
  };
  const Paths coming = TRY(differences(trees.base, theirs));
  std::map<std::string, std::vector<std::string>> databases;  // by their first file
  for (const std::string& path : coming) databases[database_files(path).front()].push_back(path);
  Paths edited;
  for (const std::string& path : TRY(differences(trees.base, trees.now))) {
    if (databases.contains(database_files(path).front())) edited.insert(path);
  }
  const Paths unequal = edited.empty() ? Paths() : TRY(differences(trees.now, theirs));
  std::vector<std::string> out;
  for (const auto& [first, paths] : databases) {
    const std::vector<std::string> files = database_files(first);
    const bool has_log = std::ranges::any_of(files, [&](const std::string& file) {
      return file != first && (coming.contains(file) || edited.contains(file));
    });
    if (has_log) trees.databases.insert(first);
    const bool is_torn = has_log && std::ranges::any_of(files, [&](const std::string& file) {
                           return edited.contains(file) && unequal.contains(file);
                         });
    if (is_torn) out.insert(out.end(), paths.begin(), paths.end());
  }
  return out;
}

Result<std::vector<std::string>> Homing::in_closed_folders(Trees& trees, const Request& request,
                                                           const tree::Entry& theirs) {
  std::vector<std::string> out;
  if (request.user == nullptr || request.user->uid == 0) return out;
  ClosedFolders closed(trees.set, trees.base, trees.now, *request.user);
  const auto look = [&](const tree::Difference& found) -> Status {
    if (TRY(closed.hold(found.path))) out.push_back(found.path);
    return ok();
  };
  TRY(tree::diff_trees({trees.set, trees.base}, {trees.set, theirs}, {}, look));
  return out;
}

// What the merge says of `theirs`; files of one database together or not at all.
Result<Homing::Merged> Homing::merge(Trees& trees, const Request& request,
                                     const tree::Entry& theirs) {
  const tree::Lineage& lineage = trees.now_manifest.lineage;
  const tree::Lineage mixed = tree::lineage_of(
      fmt::format("{} {} {}", trees.now.directory.hex(), theirs.directory.hex(), clock_ns()));
  std::vector<std::string> torn = TRY(torn_databases(trees, theirs));
  for (std::string& path : TRY(in_closed_folders(trees, request, theirs))) {
    torn.push_back(std::move(path));
  }
  Merged out;
  const auto note = [&](const tree::Conflict& conflict) -> Status {
    // Two folders that differ in their modes, say: what is in them is merged all the same.
    const auto is_folder = [](const std::optional<tree::Entry>& entry) {
      return entry && entry->type == tree::EntryType::kDirectory;
    };
    out.conflicts.add(conflict.path, !is_folder(conflict.ours) || !is_folder(conflict.theirs));
    return ok();
  };
  if (request.over) {
    out.root = TRY(tree::merge_trees({trees.set, trees.base, theirs, trees.now, lineage, mixed},
                                     trees.set.sink(), note));
    out.conflicts = {};  // taken over what was in the way: nothing is
    std::set<std::string> whole;
    for (const std::string& path : torn) {
      for (const std::string& file : database_files(path)) whole.insert(file);
    }
    const tree::Chooser theirs_alone = [&](const std::string& path, const tree::Entry*,
                                           const tree::Entry*) { return whole.contains(path); };
    if (!whole.empty()) {
      out.root = TRY(tree::select_tree({trees.set, out.root, theirs, lineage, theirs_alone},
                                       trees.set.sink()));
    }
    return out;
  }
  const std::set<std::string> left(torn.begin(), torn.end());
  tree::Entry wanted = theirs;
  const tree::Chooser others = [&](const std::string& path, const tree::Entry*,
                                   const tree::Entry*) { return !left.contains(path); };
  if (!left.empty()) {
    wanted =
        TRY(tree::select_tree({trees.set, trees.base, theirs, lineage, others}, trees.set.sink()));
  }
  out.root = TRY(tree::merge_trees({trees.set, trees.base, trees.now, wanted, lineage, mixed},
                                   trees.set.sink(), note));
  for (const std::string& path : torn) out.conflicts.add(path, true);
  return out;
}

// Next to the volume's own, as an upper that has nothing else. A name that is taken by another file
// gets a number.
Result<uint64_t> Homing::put_beside(Trees& trees, const ChangeSet& set, const tree::Entry& theirs,
                                    Merged& merged) {
  tree::UpperFolder upper;
  uint64_t put = 0;
  for (const auto& [path, whole] : merged.conflicts.all()) {
    const Result<tree::Entry> wanted = tree::find_entry({trees.set, theirs}, path);
    if (!wanted || (wanted->type == tree::EntryType::kDirectory && !whole)) continue;
    for (int i = 1; i <= kNamesBesideMax; ++i) {
      const std::string beside = name_beside(path, to_string(set.key), i);
      const Result<tree::Entry> there = tree::find_entry({trees.set, merged.root}, beside);
      if (there && !tree::compare(*there, *wanted).any()) break;  // it is there from last time
      if (there) continue;
      tree::UpperEntry added;
      added.entry = *wanted;
      added.entry.links = 1;
      if (wanted->type == tree::EntryType::kDirectory) {
        added.folder = TRY(whole_folder(trees.set, *wanted));
      }
      if (TRY(add_to_upper(trees.set, merged.root, beside, added, upper))) ++put;
      break;
    }
  }
  merged.root = TRY(tree::lay_upper(trees.set, merged.root, merged.root, upper,
                                    trees.now_manifest.lineage, trees.set.sink()));
  return put;
}

// What was put beside, wherever it still is what was put there.
Status Homing::take_beside_away(Trees& trees, const ChangeSet& set, Merged& merged) {
  const tree::Entry root = TRY(trees.set.open(set.root))->root;
  const tree::Entry left = TRY(trees.set.open(set.left))->root;
  const std::string who = to_string(set.key);
  std::map<std::string, bool> folders;  // those looked into: whether any such name is there
  tree::UpperFolder upper;
  const auto look = [&](const tree::Difference& found) -> Status {
    if (found.after == nullptr) return ok();
    const std::string folder = found.path.substr(0, found.path.size() - found.after->name.size());
    const auto [known, is_first] = folders.try_emplace(folder, false);
    if (is_first) known->second = TRY(has_name_beside(trees.set, merged.root, folder, who));
    if (!known->second) return ok();
    tree::Entry alone = *found.after;
    alone.links = 1;
    for (int i = 1; i <= kNamesBesideMax; ++i) {
      const std::string beside = name_beside(found.path, who, i);
      const Result<tree::Entry> there = tree::find_entry({trees.set, merged.root}, beside);
      if (!there) break;
      if (tree::compare(*there, alone).any() || there->directory != alone.directory) continue;
      tree::UpperEntry gone;
      gone.whiteout = true;
      TRY(add_to_upper(trees.set, merged.root, beside, gone, upper));
      break;
    }
    return ok();
  };
  TRY(tree::diff_trees({trees.set, root}, {trees.set, left}, {}, look));
  merged.root = TRY(tree::lay_upper(trees.set, merged.root, merged.root, upper,
                                    trees.now_manifest.lineage, trees.set.sink()));
  return ok();
}

Status Homing::refuse_beyond_quota(Trees& trees, const tree::Entry& wanted) {
  const int64_t quota = volume_.info().quota_bytes;
  if (quota == 0) return ok();
  const Totals more = TRY(trees.set.growth(trees.now, wanted));
  const int64_t bytes = static_cast<int64_t>(trees.now_manifest.bytes) + more.bytes;
  if (more.bytes <= 0 || bytes <= quota) return ok();
  return Error{Code::kExhausted,
               fmt::format("volume '{}' would hold {}, and its quota is {}", volume_.record().name,
                           format_size(bytes), format_size(quota)),
               fmt::format("devrun volume du {}", volume_.record().name)};
}

Status Homing::write(Trees& trees, const ChangeSet& set, const Request& request, Merged& merged,
                     Taken& taken) {
  if (merged.root.directory == trees.now.directory &&
      !tree::compare(trees.now, merged.root).any()) {
    return ok();
  }
  TRY(refuse_beyond_quota(trees, merged.root));
  std::vector<std::string> written;
  TRY(trees.set.publish(trees.now_manifest, merged.root, written));
  const std::string tag = fmt::format("{} {}", folder_name(set.key), clock_ns());
  const Applying applying{set.key,
                          set.volume,
                          trees.now.directory,
                          merged.root.directory,
                          tag,
                          trees.now_manifest.taken_ns};
  TRY(write_applying(parts_.jobs_path, applying));
  reach(parts_.fault, "home.recorded");
  const UniqueFd live = TRY(volume_.open_live());
  BodyContents contents(parts_.export_path, request.trusts_bodies);
  const HomeWrite home{
      .root = live.get(),
      .reader = trees.set,
      .now = trees.now,
      .wanted = merged.root,
      .contents = contents,
      .taken_ns = trees.now_manifest.taken_ns,
      .tag = tag,
      .syncs = !parts_.driver.freezes(),
      .conflict = [&](const std::string& path, bool whole) { merged.conflicts.add(path, whole); },
      .done =
          [&](const std::string& path, const tree::Entry* entry, int file) {
            (void)path;
            if (entry == nullptr || entry->type != tree::EntryType::kDirectory) {
              ++taken.files;
            }
            if (entry == nullptr) return;
            if (entry->type == tree::EntryType::kRegular) {
              taken.bytes += static_cast<int64_t>(entry->size);
            }
            // Unless somebody has been at work in it since it has its name.
            struct stat st {};
            if (file >= 0 && ::fstat(file, &st) == 0 &&
                static_cast<uint64_t>(st.st_size) == entry->size &&
                tree::nanoseconds(st.st_mtim) == entry->mtime_ns) {
              volume_.expect_body(st, entry->body);
            }
          },
      .together =
          [&](const std::string& path) {
            std::vector<std::string> files = database_files(path);
            return trees.databases.contains(files.front()) ? files : std::vector<std::string>{};
          },
      .fault = parts_.fault};
  const Status done = write_home(home);
  reach(parts_.fault, "home.written");
  // What was written stays, also if the rest could not be.
  if (::syncfs(live.get()) != 0) return errno_error("syncfs", errno);
  TRY(remove_applying(parts_.jobs_path, set.key));
  return done;
}

// What the volume would have of the change set if nobody had edited anything.
Result<tree::Entry> Homing::chosen(Trees& trees, const Request& request,
                                   const tree::Lineage& lineage) {
  return tree::select_tree({trees.set, trees.base, trees.source, lineage, request.choose},
                           trees.set.sink());
}

// Of what is asked for, nothing is in anybody's way any more.
Status Homing::forget_settled(ChangeSet& set, const Request& request) {
  const size_t settled = std::erase_if(set.conflicts, [&](const std::string& path) {
    return request.choose(path, nullptr, nullptr);
  });
  return settled > 0 ? write_change_set(parts_.jobs_path, set) : ok();
}

Result<Taken> Homing::run(TreeSet& opened, ChangeSet& set, const Request& request) {
  Taken out;
  Trees trees{opened, {}, {}, {}, {}, {}};
  trees.base_manifest = *TRY(trees.set.open(set.taken));
  trees.base = trees.base_manifest.root;
  const bool in = request.direction == Direction::kIn;
  trees.source = TRY(trees.set.open(in ? set.left : set.root))->root;
  tree::Entry theirs = TRY(chosen(trees, request, trees.base_manifest.lineage));
  if (in && tree::same_entry(&trees.base, &theirs)) {
    TRY(forget_settled(set, request));
    return out;
  }
  Digest now;
  if (request.over) {
    // What is overwritten is kept.
    const SnapshotRecord kept =
        TRY(volume_.keep_snapshot(fmt::format("before applying {}", to_string(set.key))));
    out.kept = fmt::format("{}@{}", set.volume, kept.number);
    now = kept.tree;
  } else {
    now = TRY(volume_.take_snapshot()).tree;
  }
  trees.now_manifest = *TRY(trees.set.open(now));
  trees.now = trees.now_manifest.root;
  if (trees.now_manifest.lineage != trees.base_manifest.lineage) {
    theirs = TRY(chosen(trees, request, trees.now_manifest.lineage));
  }
  Merged merged = TRY(merge(trees, request, theirs));
  if (!in) TRY(take_beside_away(trees, set, merged));
  if (request.beside) out.beside = TRY(put_beside(trees, set, theirs, merged));
  const Status written = write(trees, set, request, merged, out);
  if (!written) return written.error();
  // What came, or went, is what both sides are compared with from now on.
  const tree::Chooser came = [&](const std::string& path, const tree::Entry*, const tree::Entry*) {
    return !merged.conflicts.covers(path);
  };
  const tree::Entry taken = TRY(tree::select_tree(
      {trees.set, trees.base, theirs, trees.base_manifest.lineage, came}, trees.set.sink()));
  std::vector<std::string> paths;
  set.taken = TRY(trees.set.publish(trees.base_manifest, taken, paths)).tree;
  TRY(sync_with_folders(paths));
  if (in) {
    std::erase_if(set.conflicts, [&](const std::string& path) {
      return merged.conflicts.has(path) || request.choose(path, nullptr, nullptr);
    });
    for (const auto& [path, whole] : merged.conflicts.all()) {
      if (set.conflicts.size() < kConflictsRecordedMax) set.conflicts.push_back(path);
    }
  }
  set.changed = clock_now();
  TRY(write_change_set(parts_.jobs_path, set));
  out.conflicts_in_all = merged.conflicts.size();
  for (const auto& [path, whole] : merged.conflicts.all()) {
    if (out.conflicts.size() < kConflictsToldMax) out.conflicts.push_back(path);
  }
  return out;
}

Status Homing::recover(const Applying& applying) {
  TreeSet set(parts_.files, volume_.objects_in_memory());
  const tree::Entry now = TRY(set.open(applying.now))->root;
  const tree::Entry wanted = TRY(set.open(applying.wanted))->root;
  const UniqueFd live = TRY(volume_.open_live());
  BodyContents contents(parts_.export_path);
  TRY(recover_home({.root = live.get(),
                    .reader = set,
                    .now = now,
                    .wanted = wanted,
                    .contents = contents,
                    .taken_ns = applying.taken_ns,
                    .tag = applying.tag,
                    .conflict = [](const std::string&, bool) {},
                    .done = [](const std::string&, const tree::Entry*, int) {}}));
  return remove_applying(parts_.jobs_path, applying.key);
}

}  // namespace devrun::storage
