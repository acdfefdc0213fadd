// Three passes: look at entries (folders that need it, parents first), read bodies (several
// threads), write objects (children first).
#include "controller/storage/tree_builder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "common/base/check.h"
#include "controller/storage/folders.h"
#include "controller/storage/live_builder.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

// Above this many touched inodes, looking each one up costs more than looking at everything.
constexpr size_t kLookedUpMax = 20'000;
constexpr size_t kChangedInodesMax = 4'000'000;  // 8 bytes each, for the time of a build
constexpr size_t kProvisionalIdBytes = 16;
// Smaller ones lie among the names, which are in memory.
constexpr uint64_t kTwinBytesMin = 4097;
// More than there are cores: bytes of a snapshot come from the disk, since the page cache knows them
// as those of the live file only.
constexpr uint64_t kThreadsMax = 12;
constexpr uint64_t kBodyBytesPerThread = 4 << 20;
constexpr uint64_t kBodiesPerThread = 4;

using tree::Entry;
using tree::EntryType;

class Builder {
 public:
  Builder(const BuildRequest& request, const KnownTree& known, Bodies& bodies)
      : request_(request), known_(known), bodies_(bodies) {}

  Result<TreeChange> run();
  const BuildWork& work() const { return work_; }
  void drop_clones() const;

 private:
  Status find_changed();
  Status mark_with_ancestors(uint64_t inode);
  Status scan(Folder& folder);
  Result<Entry> next_entry(int fd, const std::string& name, const Entry* before, bool maybe_changed,
                           Folder& folder, size_t index);
  Result<bool> keeps_body(const Entry& before, const Entry& now) const;
  bool take_expected_body(Entry& entry) const;
  void place_directory(Entry& entry, Folder& folder, size_t index);
  Status forget_vanished();
  Status read_bodies();
  Status read_body(const EntryPlace& pending);
  std::string provisional_id(const Entry& entry) const;
  void write_objects();
  bool incremental() const { return request_.generation.has_value() && !scan_all_; }

  const BuildRequest& request_;
  const KnownTree& known_;
  Bodies& bodies_;
  TreeChange change_;
  BuildWork work_;
  bool scan_all_ = false;
  bool changes_known_ = false;               // changed_ is complete
  std::unordered_set<uint64_t> changed_;     // inodes touched since the known tree
  std::unordered_set<uint64_t> on_the_way_;  // directories with something touched in or below them
  std::deque<Folder> folders_;               // parents before children; addresses stay
  std::vector<EntryPlace> pending_;
  std::vector<std::pair<EntryPlace, EntryPlace>>
      same_file_;                                        // {to fill, from} for further hard links
  std::unordered_map<uint64_t, EntryPlace> first_name_;  // of files with several links
  std::unordered_set<uint64_t> placed_;  // known directories that were met in a rewritten folder
  std::vector<Entry> left_;              // directories that are no longer where they were
};

Status Builder::find_changed() {
  if (known_.empty() || !request_.generation) {
    scan_all_ = true;
    return ok();
  }
  Result<std::vector<uint64_t>> inodes =
      request_.driver->changed_inodes(request_.root, *request_.generation, kChangedInodesMax);
  if (!inodes && inodes.error().code == Code::kExhausted) {
    scan_all_ = true;
    return ok();
  }
  const std::vector<uint64_t> touched = TRY(std::move(inodes));
  changed_.insert(touched.begin(), touched.end());
  changes_known_ = true;
  if (touched.size() > kLookedUpMax) {
    scan_all_ = true;
    return ok();
  }
  for (const uint64_t inode : touched) TRY(mark_with_ancestors(inode));
  for (const uint64_t inode : request_.hashed_inodes) {
    changed_.insert(inode);
    TRY(mark_with_ancestors(inode));
  }
  return ok();
}

Status Builder::mark_with_ancestors(uint64_t inode) {
  std::vector<uint64_t> todo{inode};
  while (!todo.empty()) {
    const uint64_t at = todo.back();
    todo.pop_back();
    // The root's parent is itself. An inode without names is an open, deleted file: part of no
    // tree.
    for (const uint64_t parent : TRY(request_.driver->parents_of(request_.root, at))) {
      if (parent != at && on_the_way_.insert(parent).second) todo.push_back(parent);
    }
  }
  return ok();
}

// Stamps alone prove nothing: the known tree may be of the middle of a write, which leaves them as
// they were when it began.
Result<bool> Builder::keeps_body(const Entry& before, const Entry& now) const {
  const bool same_stamps = before.type == EntryType::kRegular && now.type == EntryType::kRegular &&
                           before.inode == now.inode && before.lineage == now.lineage &&
                           before.size == now.size && before.mtime_ns == now.mtime_ns &&
                           before.ctime_ns == now.ctime_ns &&
                           now.ctime_ns < known_.manifest().taken_ns - kClockGrainNs;
  if (!same_stamps || !request_.generation) return false;
  if (changes_known_ && !changed_.contains(now.inode)) return true;
  return !TRY(request_.driver->bytes_changed(request_.root, now.inode, *request_.generation));
}

// Stamps near the instant prove nothing where clocks are coarse.
bool Builder::take_expected_body(Entry& entry) const {
  const auto found = request_.expected.find(entry.inode);
  if (found == request_.expected.end()) return false;
  const ExpectedBody& expected = found->second;
  if (entry.ctime_ns != expected.ctime_ns || entry.size != expected.size) return false;
  if (entry.ctime_ns >= request_.taken_ns - kClockGrainNs) return false;
  const bool inside = expected.body.kind == tree::BodyKind::kInline;
  if (!inside && !bodies_.has(expected.body, entry.size)) return false;
  entry.body = expected.body;
  return true;
}

// A directory goes onto the list of folders if anything in it may differ; else its object is taken
// over.
void Builder::place_directory(Entry& entry, Folder& folder, size_t index) {
  const Digest* before = known_.directory_of(entry.inode);
  if (before != nullptr) placed_.insert(entry.inode);
  const bool clean = incremental() && before != nullptr && !changed_.contains(entry.inode) &&
                     !on_the_way_.contains(entry.inode);
  if (clean) {
    entry.directory = *before;
    return;
  }
  Folder& child = folders_.emplace_back();
  child.path = join_path(folder.path, entry.name);
  child.inode = entry.inode;
  child.parent = &folder;
  child.index_in_parent = index;
}

Result<Entry> Builder::next_entry(int fd, const std::string& name, const Entry* before,
                                  bool maybe_changed, Folder& folder, size_t index) {
  if (before != nullptr && !maybe_changed) return *before;
  ++work_.entries_looked_at;
  Entry entry = TRY(read_entry(fd, name, request_.lineage));
  if (entry.type != EntryType::kRegular || entry.size == 0) return entry;
  if (before != nullptr && TRY(keeps_body(*before, entry))) {
    entry.body = before->body;
    if (take_hashed_body(request_, entry)) ++change_.hashed;
    return entry;
  }
  if (take_expected_body(entry)) {
    // A rebuild would call a large one otherwise.
    if (entry.size >= kProvisionalBytesMin) ++change_.hashed;
    return entry;
  }
  const EntryPlace pending{&folder, index};
  if (entry.links > 1) {
    const auto [first, is_first] = first_name_.try_emplace(entry.inode, pending);
    if (!is_first) {
      same_file_.emplace_back(pending, first->second);
      return entry;
    }
  }
  pending_.push_back(pending);
  return entry;
}

Status Builder::scan(Folder& folder) {
  tree::Directory before;
  const Digest* const known = known_.empty() ? nullptr : known_.directory_of(folder.inode);
  if (known != nullptr) before = TRY(known_.directory(*known));
  for (const Entry& entry : before.entries) {
    change_.totals.add(entry, -1);
  }
  const UniqueFd fd = TRY(open_beneath(request_.root, folder.path, O_RDONLY | O_DIRECTORY));
  std::vector<NameAndInode> names;
  if (incremental() && known != nullptr && !changed_.contains(folder.inode)) {
    for (const Entry& entry : before.entries) names.push_back({entry.name, entry.inode});
  } else {
    ++work_.directories_read;
    names = TRY(read_names(fd.get()));
  }
  auto& entries = folder.directory.entries;
  entries.reserve(names.size());
  FolderSize size;
  for (const auto& [name, inode] : names) {
    const Entry* const old = find_entry(before, name);
    const bool maybe_changed =
        !incremental() || old == nullptr || old->inode != inode || changed_.contains(inode);
    Result<Entry> entry = next_entry(fd.get(), name, old, maybe_changed, folder, entries.size());
    if (!entry) return std::move(entry).error().context(shown_path(join_path(folder.path, name)));
    TRY(size.add(folder, *entry));
    entries.push_back(std::move(*entry));
    if (entries.back().type == EntryType::kDirectory) {
      place_directory(entries.back(), folder, entries.size() - 1);
    }
    change_.totals.add(entries.back());
  }
  for (const Entry& entry : before.entries) {
    if (entry.type != EntryType::kDirectory) continue;
    const Entry* const now = find_entry(folder.directory, entry.name);
    if (now == nullptr || now->inode != entry.inode) left_.push_back(entry);
  }
  return ok();
}

// Directories that were in a rewritten folder and are in no rewritten folder now are gone, with
// what was below them and did not move elsewhere.
Status Builder::forget_vanished() {
  while (!left_.empty()) {
    const Entry gone = left_.back();
    left_.pop_back();
    if (placed_.contains(gone.inode)) continue;
    change_.vanished.push_back(gone.inode);
    const tree::Directory directory = TRY(known_.directory(gone.directory));
    for (const Entry& entry : directory.entries) {
      change_.totals.add(entry, -1);
      if (entry.type == EntryType::kDirectory) left_.push_back(entry);
    }
  }
  return ok();
}

// Nothing that two states of a file, or two files, can have in common.
std::string Builder::provisional_id(const Entry& entry) const {
  std::string text = "provisional body\n";
  text.append(request_.lineage.begin(), request_.lineage.end());
  text.append(request_.live.begin(), request_.live.end());
  fmt::format_to(std::back_inserter(text), "\n{} {} {} {}", request_.instant, entry.inode,
                 entry.ctime_ns, entry.size);
  return std::string(tree::sha256(text).view().substr(0, kProvisionalIdBytes));
}

Status Builder::read_body(const EntryPlace& pending) {
  Entry& entry = pending.entry();
  const std::string path = join_path(pending.folder->path, entry.name);
  const UniqueFd file = TRY(open_beneath(request_.root, path, O_RDONLY | O_NONBLOCK));
  std::optional<TwinFile> twin;
  const bool is_old = entry.ctime_ns < request_.taken_ns - kClockGrainNs;
  if (request_.live_root >= 0 && is_old && entry.size >= kTwinBytesMin)
    twin = TwinFile::open(request_.live_root, path, entry);
  Result<tree::Body> body =
      bodies_.put(file.get(), entry.size, provisional_id(entry), twin ? &*twin : nullptr);
  if (!body) return std::move(body).error().context(shown_path(path));
  entry.body = std::move(*body);
  return ok();
}

Status Builder::read_bodies() {
  work_.bodies_read = pending_.size();
  uint64_t bytes = 0;
  for (const EntryPlace& pending : pending_) bytes += pending.entry().size;
  work_.bytes_read = bytes;
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> failure;
  const auto work = [&] {
    for (size_t i = next++; i < pending_.size(); i = next++) {
      if (Status read = read_body(pending_[i]); !read) {
        next = pending_.size();
        const std::lock_guard lock(mutex);
        if (!failure) failure = read.error();
      }
    }
  };
  const uint64_t wanted = 1 + bytes / kBodyBytesPerThread + pending_.size() / kBodiesPerThread;
  std::vector<std::thread> helpers;
  for (uint64_t i = 1; i < std::min(wanted, kThreadsMax); ++i) {
    helpers.emplace_back(work);
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  if (failure) return *failure;
  for (const EntryPlace& place : pending_) {
    const Entry& entry = place.entry();
    if (entry.body.kind != tree::BodyKind::kProvisional) continue;
    change_.provisional.push_back({entry.inode, entry.body, entry.size});
  }
  for (const auto& [to, from] : same_file_) to.entry().body = from.entry().body;
  return ok();
}

void Builder::drop_clones() const {
  for (const EntryPlace& place : pending_) {
    const tree::Body& body = place.entry().body;
    if (body.kind == tree::BodyKind::kProvisional) bodies_.drop_clone(body);
  }
}

void Builder::write_objects() {
  std::unordered_set<Digest> written;
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    tree::Object object = tree::encode_directory(folder->directory, request_.lineage);
    change_.directories[folder->inode] = object.id;
    if (folder->parent != nullptr) {
      folder->parent->directory.entries[folder->index_in_parent].directory = object.id;
    } else {
      change_.root.directory = object.id;
    }
    if (!known_.has_object(object.id) && written.insert(object.id).second) {
      change_.objects.push_back(std::move(object));
    }
  }
}

Result<TreeChange> Builder::run() {
  TRY(find_changed());
  Result<Entry> root = read_entry(request_.root, "", request_.lineage);
  if (!root) return std::move(root).error().context("/");
  change_.root = std::move(*root);
  change_.totals = known_.totals();
  if (!known_.empty()) change_.totals.add(known_.manifest().root, -1);
  change_.totals.add(change_.root);
  const Digest* const known_root =
      known_.empty() ? nullptr : known_.directory_of(change_.root.inode);
  if (incremental() && known_root != nullptr && !changed_.contains(change_.root.inode) &&
      !on_the_way_.contains(change_.root.inode)) {
    change_.root.directory = *known_root;
    return std::move(change_);
  }
  folders_.emplace_back().inode = change_.root.inode;
  // The list grows while it is walked.
  for (size_t i = 0; i < folders_.size(); ++i) TRY(scan(folders_[i]));
  TRY(forget_vanished());
  TRY(read_bodies());
  write_objects();
  return std::move(change_);
}

}  // namespace

bool take_hashed_body(const BuildRequest& request, tree::Entry& entry) {
  if (entry.body.kind != tree::BodyKind::kProvisional) return false;
  const auto found = request.hashed.find(entry.body.id);
  if (found == request.hashed.end()) return false;
  entry.body = found->second;
  return true;
}

Result<TreeChange> build_tree(const BuildRequest& request, const KnownTree& known, Bodies& bodies,
                              BuildWork* work) {
  if (request.driver != nullptr && !request.driver->freezes()) {
    return build_live_tree(request, known, bodies, work);
  }
  Builder builder(request, known, bodies);
  Result<TreeChange> out = builder.run();
  if (!out && !request.rebuilds) builder.drop_clones();
  if (work != nullptr) *work = builder.work();
  return out;
}

}  // namespace devrun::storage
