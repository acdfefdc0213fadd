#include "controller/storage/home_round.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/tree/codec.h"
#include "common/tree/lineage.h"
#include "common/tree/select.h"
#include "common/tree/validate.h"
#include "controller/storage/clock.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

Error out_of_order(const std::string& path) {
  return {Code::kInvalid, fmt::format("/{} is told out of order", path.substr(0, 200)), {}};
}

std::string name_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Nobody becomes root by what a job left: such entries wait for somebody to apply them.
bool comes_by_itself(const tree::Entry* entry) {
  if (entry == nullptr) return true;
  switch (entry->type) {
    case tree::EntryType::kRegular:
      return (entry->mode & 06000) == 0 &&
             std::ranges::none_of(entry->xattrs, [](const tree::Xattr& xattr) {
               return xattr.name.starts_with("security.") || xattr.name.starts_with("trusted.");
             });
    case tree::EntryType::kCharacterDevice:
    case tree::EntryType::kBlockDevice:
    case tree::EntryType::kSocket:
    case tree::EntryType::kMountPoint:
      return false;
    default:
      return true;
  }
}

const std::string& name_of_entry(const tree::UpperEntry& entry) {
  return entry.entry.name;
}

char kind_of(const tree::Difference& difference) {
  if (difference.before == nullptr) return 'A';
  return difference.after == nullptr ? 'D' : 'M';
}

int64_t bytes_of(const tree::Difference& difference) {
  const tree::Entry* const after = difference.after;
  const bool regular = after != nullptr && after->type == tree::EntryType::kRegular;
  return regular ? static_cast<int64_t>(after->size) : 0;
}

bool is_folder(const tree::Difference& difference) {
  const tree::Entry* const entry =
      difference.after != nullptr ? difference.after : difference.before;
  return entry->type == tree::EntryType::kDirectory;
}

// The longest path above all of these.
class CommonFolder {
 public:
  void add(const std::string& path) {
    const std::string folder = folder_of(path);
    if (!common_) {
      common_ = folder;
      return;
    }
    while (!common_->empty() && folder != *common_ && !folder.starts_with(*common_ + "/")) {
      common_ = folder_of(*common_);
    }
  }
  std::string get() const { return "/" + common_.value_or(""); }

 private:
  std::optional<std::string> common_;
};

}  // namespace

StoringRound::StoringRound(HomeStart start, const HomingParts& parts,
                           std::shared_ptr<Volume> volume, std::shared_ptr<std::mutex> homing)
    : start_(std::move(start)),
      parts_(parts),
      volume_(std::move(volume)),
      homing_(std::move(homing)),
      build_(parts.bodies.uses()),
      losses_(parts.bodies.losses()) {
  open_.emplace_back("", &upper_);
}

Result<std::unique_ptr<StoringRound>> StoringRound::begin(HomeStart start, const HomingParts& parts,
                                                          std::shared_ptr<Volume> volume,
                                                          std::shared_ptr<std::mutex> homing) {
  std::unique_ptr<StoringRound> out(
      new StoringRound(std::move(start), parts, std::move(volume), std::move(homing)));
  out->root_ = TRY(parts.files.manifest(out->start_.root));
  // A file of an upper is another file than any of the volume's: its identity is the attempt's own.
  out->lineage_ = tree::lineage_of(
      fmt::format("upper of {} over {}", folder_name(out->start_.key), out->start_.root.hex()));
  return out;
}

// Entries come in depth-first order: what is not below the last folder closes it.
Result<tree::UpperFolder*> StoringRound::folder_for(const std::string& path) {
  const std::string parent = folder_of(path);
  while (open_.size() > 1 && open_.back().first != parent) open_.pop_back();
  if (open_.back().first != parent) return out_of_order(path);
  return open_.back().second;
}

Result<bool> StoringRound::add_one(UpperItem item) {
  tree::Entry& entry = item.entry;
  entry.lineage = lineage_;
  if (item.path.empty()) {
    if (entries_ != 0 || entry.type != tree::EntryType::kDirectory) return out_of_order(item.path);
    upper_root_ = entry;
    upper_.opaque = item.opaque;
    return false;
  }
  tree::UpperFolder* const folder = TRY(folder_for(item.path));
  entry.name = name_of(item.path);
  if (!folder->entries.empty() && folder->entries.back().entry.name >= entry.name) {
    return out_of_order(item.path);
  }
  tree::UpperEntry& added = folder->entries.emplace_back();
  added.whiteout = item.whiteout;
  added.metacopy = item.metacopy;
  if (entry.type == tree::EntryType::kDirectory) {
    entry.directory = tree::sha256("");  // so that the rest of it can be judged
    added.folder.opaque = item.opaque;
    added.folder.redirect = item.redirect;
  } else {
    added.redirect = item.redirect;
  }
  const bool has_bytes =
      entry.type == tree::EntryType::kRegular && entry.size > 0 && !item.whiteout && !item.metacopy;
  const tree::Body body = entry.body;
  const bool is_named = has_bytes && !item.unnamed;
  if (has_bytes && item.unnamed) entry.body = {tree::BodyKind::kInline, "?"};
  added.entry = entry;
  if (!item.whiteout && !item.unnamed && !item.metacopy) {
    if (const std::string problem = tree::problem_of(entry); !problem.empty()) {
      return Error{Code::kInvalid, problem, {}};
    }
    if (is_named && body.kind == tree::BodyKind::kProvisional) {
      return Error{Code::kInvalid, "a body that no node can name", {}};
    }
  }
  if (entry.type == tree::EntryType::kDirectory) open_.emplace_back(item.path, &added.folder);
  if (entry.type == tree::EntryType::kRegular && item.copied_up && !item.whiteout) {
    copied_up_.push_back(item.path);
  }
  if (!has_bytes) return false;
  if (entry.size > kFileBytesMax) {
    return Error{Code::kExhausted,
                 fmt::format("/{} has {}, and a file may have {}", item.path,
                             format_size(static_cast<int64_t>(entry.size)),
                             format_size(static_cast<int64_t>(kFileBytesMax))),
                 {}};
  }
  if (is_named && (body.kind == tree::BodyKind::kInline || parts_.bodies.has(body, entry.size))) {
    return false;
  }
  wanted_.emplace(entries_, Wanted{item.path, entry.size, is_named ? body : tree::Body{}});
  return true;
}

Result<std::vector<uint64_t>> StoringRound::add(std::vector<UpperItem> items) {
  std::vector<uint64_t> out;
  for (UpperItem& item : items) {
    if (entries_ >= kRoundEntriesMax) {
      return Error{
          Code::kExhausted, fmt::format("more than {} entries were written", kRoundEntriesMax), {}};
    }
    if (TRY(add_one(std::move(item)))) out.push_back(entries_);
    ++entries_;
  }
  return out;
}

// What bytes of that entry go to, begun by the first of them.
Result<StoringRound::Wanted*> StoringRound::incoming(uint64_t entry) {
  const auto wanted = wanted_.find(entry);
  if (wanted == wanted_.end()) return Error{Code::kInvalid, "bytes that nobody asked for", {}};
  if (!incoming_ || incoming_->first != entry) {
    if (incoming_) return Error{Code::kInvalid, "bytes of two files at once", {}};
    incoming_.emplace(entry, TRY(IncomingBody::begin(parts_.bodies, wanted->second.size)));
  }
  return &wanted->second;
}

Status StoringRound::zeros(uint64_t entry, uint64_t count) {
  const Wanted& wanted = *TRY(incoming(entry));
  Status written = incoming_->second.zeros(count);
  return written ? ok() : Status(std::move(written).error().context("/" + wanted.path));
}

Status StoringRound::bytes(uint64_t entry, std::string_view data, bool last) {
  const Wanted& wanted = *TRY(incoming(entry));
  Status written = incoming_->second.write(data);
  if (!written) return std::move(written).error().context("/" + wanted.path);
  if (!last) return ok();
  Result<tree::Body> body = incoming_->second.finish(wanted.expected);
  if (!body) return std::move(body).error().context("/" + wanted.path);
  incoming_.reset();
  tree::UpperEntry* const there = find(wanted.path);
  CHECK(there != nullptr);
  there->entry.body = std::move(*body);
  wanted_.erase(entry);
  return ok();
}

Status StoringRound::unsent(uint64_t entry) {
  const auto wanted = wanted_.find(entry);
  if (wanted == wanted_.end() || start_.final) {
    return Error{Code::kInvalid, "an entry that cannot be left out", {}};
  }
  if (incoming_ && incoming_->first == entry) incoming_.reset();
  left_out_.push_back(wanted->second.path);
  wanted_.erase(wanted);
  return ok();
}

Status StoringRound::reads(std::string_view data, ReadsOf of) {
  if (!start_.setup_run || !start_.final || reads_.size() + data.size() > tree::kReadsBytesMax) {
    return Error{Code::kInvalid, "reads that nobody asked for, or too many", {}};
  }
  reads_ += data;
  failed_ = of == ReadsOf::kFailure;
  return ok();
}

tree::UpperEntry* StoringRound::find(const std::string& path) {
  tree::UpperFolder* folder = &upper_;
  for (size_t begin = 0;;) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const auto at = std::ranges::lower_bound(folder->entries, name, {}, name_of_entry);
    if (at == folder->entries.end() || at->entry.name != name) return nullptr;
    if (end == path.size()) return &*at;
    folder = &at->folder;
    begin = end + 1;
  }
}

std::vector<CopiedUp> StoringRound::copied_up() {
  std::vector<CopiedUp> out;
  for (const std::string& path : copied_up_) {
    if (const tree::UpperEntry* const there = find(path)) out.push_back({path, there->entry});
  }
  return out;
}

// What a tree has more than the one that the job was given, over the one without what others wrote into that.
Result<tree::Entry> StoringRound::without_given(TreeSet& trees, const tree::Entry& tree) {
  const tree::Manifest plain = *TRY(trees.open(start_.plain));
  const tree::Entry given = TRY(trees.open(start_.given))->root;
  std::unordered_set<std::string> changed;
  TRY(tree::diff_trees({trees, given}, {trees, tree}, {}, [&](const tree::Difference& found) {
    changed.insert(found.path);
    return ok();
  }));
  const tree::Chooser chosen = [&](const std::string& path, const tree::Entry*,
                                   const tree::Entry*) { return changed.contains(path); };
  return tree::select_tree({trees, plain.root, tree, plain.lineage, chosen}, trees.sink());
}

// What an attempt's change set begins with.
Result<Digest> StoringRound::root_without_given(TreeSet& trees) {
  if (start_.plain.is_zero()) return start_.root;
  if (start_.root == start_.given) return start_.plain;
  const tree::Entry root = TRY(trees.open(start_.root))->root;
  const tree::Entry plain = TRY(without_given(trees, root));
  std::vector<std::string> written;
  const tree::Manifest base = *TRY(trees.open(start_.plain));
  const Digest out = TRY(trees.publish(base, plain, written)).tree;
  TRY(sync_with_folders(written));
  return out;
}

// The step's results are there without a record of it, too: the next launch runs it again.
void StoringRound::keep_setup(const ChangeSet& set) {
  if (!start_.setup_run || !start_.final || reads_.empty()) return;
  if (failed_) return keep_failed_reads();
  Result<tree::Reads> reads = tree::decode_reads(reads_);
  const SetupRun& run = *start_.setup_run;
  const SetupRecord record{start_.key.job, start_.volume, run.which, run.plain, set.left, {}};
  const Status kept =
      reads ? parts_.keep_setup(record, std::move(*reads), run.from) : Status(reads.error());
  if (kept) return;
  log::warning("what the setup of job {} has read is not kept: {}", start_.key.job,
               kept.error().message);
}

// For whoever asks whether it would have failed as well without what another one had left.
void StoringRound::keep_failed_reads() {
  const Status kept = write_failed_reads(parts_.jobs_path, start_.key, reads_);
  if (!kept)
    log::warning("what the setup of job {} has read is not kept: {}", start_.key.job,
                 kept.error().message);
}

// The trees as they follow from what was told.
Result<ChangeSet> StoringRound::lay(TreeSet& trees) {
  ChangeSet set;
  Result<ChangeSet> known = read_change_set(parts_.jobs_path, start_.key);
  if (known) {
    set = std::move(*known);
  } else if (known.error().code == Code::kNotFound) {
    const Digest root = TRY(root_without_given(trees));
    set = ChangeSet{start_.key, start_.volume, root, root, root, {}, {}, false, {}, {}, {}};
  } else {
    return known.error();
  }
  set.applies = start_.applies;
  if (set.complete && !start_.final) return set;  // a round that was overtaken
  for (const std::string& path : left_out_) {
    const std::string folder = folder_of(path);
    tree::UpperEntry* const parent = folder.empty() ? nullptr : find(folder);
    auto& entries = (parent == nullptr ? upper_ : parent->folder).entries;
    std::erase_if(entries, [&](const auto& one) { return one.entry.name == name_of(path); });
  }
  const tree::Manifest& base = *TRY(trees.open(start_.final ? start_.root : set.left));
  const bool has_root = start_.final && upper_root_.has_value();
  tree::Entry laid = TRY(tree::lay_upper(trees, base.root, has_root ? *upper_root_ : base.root,
                                         upper_, root_.lineage, trees.sink()));
  laid = TRY(follow_links(trees, base.root, laid, copied_up(), root_.lineage));
  // The trees have all of it; of a million files it is a gigabyte.
  open_.clear();
  upper_ = {};
  // What was written and is the same as before is no change.
  const tree::Chooser all = [](const std::string&, const tree::Entry*, const tree::Entry*) {
    return true;
  };
  std::vector<std::string> written;
  if (start_.final && !start_.plain.is_zero()) {
    set.given = start_.root;
    set.whole = TRY(trees.publish(base, laid, written)).tree;
    laid = TRY(without_given(trees, laid));
  }
  const tree::Manifest& root = *TRY(trees.open(set.root));
  const tree::Entry left =
      TRY(tree::select_tree({trees, root.root, laid, root_.lineage, all}, trees.sink()));
  set.left = TRY(trees.publish(root, left, written)).tree;
  set.complete = start_.final;
  TRY(sync_with_folders(written));
  set.changed = clock_now();
  TRY(write_change_set(parts_.jobs_path, set));
  return set;
}

Result<HomeSummary> StoringRound::finish() {
  if (!wanted_.empty()) {
    return Error{Code::kInvalid, "the bytes of some entries have not come", {}};
  }
  TRY(parts_.bodies.sync(losses_));
  reach(parts_.fault, "home.bodies");
  const std::lock_guard homing(*homing_);
  TreeSet trees(parts_.files, volume_->objects_in_memory());
  ChangeSet set = TRY(lay(trees));
  reach(parts_.fault, "home.laid");
  keep_setup(set);
  if (start_.applies) {
    const tree::Chooser home = [this](const std::string& path, const tree::Entry* before,
                                      const tree::Entry* after) {
      return kind_of_path(start_.rules, "/" + path) == PathKind::kHome && comes_by_itself(after) &&
             comes_by_itself(before);
    };
    TRY(Homing(parts_, *volume_)
            .run(trees, set, {.choose = home, .trusts_bodies = true, .user = &start_.user}));
  }
  return summary(trees, set);
}

Result<HomeSummary> StoringRound::summary(TreeSet& trees, const ChangeSet& set) {
  HomeSummary out;
  const tree::Entry root = TRY(trees.open(set.root))->root;
  const tree::Entry taken = TRY(trees.open(set.taken))->root;
  const tree::Entry left = TRY(trees.open(set.left))->root;
  CommonFolder folder;
  TRY(tree::diff_trees({trees, root}, {trees, taken}, {}, [&](const tree::Difference& found) {
    if (is_folder(found)) return ok();
    ++out.files;
    out.bytes += bytes_of(found);
    folder.add(found.path);
    if (out.notable.size() < kNotableFilesMax) {
      out.notable.push_back({"/" + found.path, kind_of(found), bytes_of(found)});
    }
    return ok();
  }));
  if (out.files > 0) out.folder = folder.get();
  const std::set<std::string> conflicts(set.conflicts.begin(), set.conflicts.end());
  out.conflicts = conflicts.size();
  TRY(tree::diff_trees({trees, taken}, {trees, left}, {}, [&](const tree::Difference& found) {
    if (conflicts.contains(found.path)) {
      if (out.conflicting.size() < kNotableFilesMax) {
        out.conflicting.push_back({"/" + found.path, kind_of(found), bytes_of(found)});
      }
      return ok();
    }
    if (is_folder(found)) return ok();
    ++out.kept;
    out.kept_bytes += bytes_of(found);
    return ok();
  }));
  return out;
}

}  // namespace devrun::storage
