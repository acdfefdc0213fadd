#include "controller/storage/live_builder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <unordered_set>

#include "controller/storage/folders.h"
#include "controller/storage/live_file.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr int kWalksMax = 6;
constexpr int kListingsMax = 12;
// Files worth remembering for a second walk.
constexpr uint64_t kRememberedBytesMin = 1 << 20;

using tree::Entry;
using tree::EntryType;

struct LiveFolder : Folder {
  Digest known;       // the object that it was
  bool same = false;  // still is, unless something below differs
};

Error restless_folder(const std::string& path) {
  return Error{Code::kConflict,
               fmt::format("the folder {} will not hold still: names in it come and go faster than "
                           "they can be read",
                           shown_path(path)),
               "again when less is going on there, or keep the store on btrfs, which freezes"};
}

class LiveBuilder {
 public:
  LiveBuilder(const BuildRequest& request, const KnownTree& known, Bodies& bodies, bool fine_stamps)
      : request_(request), known_(known), files_(bodies, request.lineage, fine_stamps) {}

  Result<TreeChange> run();
  BuildWork work() const {
    BuildWork out = work_;
    out.bodies_read = files_.bodies_read();
    out.bytes_read = files_.bytes_read();
    return out;
  }

 private:
  using Links = std::vector<std::pair<uint64_t, size_t>>;  // inode → index of a name

  Status walk();
  Status read_folder(LiveFolder& folder);
  Result<bool> read_entries(int fd, LiveFolder& folder, const tree::Directory& before,
                            Links& links);
  Result<std::optional<Entry>> next_entry(int fd, const std::string& name, const Entry* before);
  bool is_settled(const Entry& before, const struct stat& st) const;
  void enter_folders(LiveFolder& folder);
  void join_links();
  void write_objects();

  const BuildRequest& request_;
  const KnownTree& known_;
  LiveFiles files_;
  TreeChange change_;
  BuildWork work_;
  dev_t device_ = 0;
  std::string moved_;  // a folder that was elsewhere when it was to be read; empty: none
  std::unordered_map<uint64_t, Entry> remembered_;  // files that were read, by inode

  // Of one walk.
  std::deque<LiveFolder> folders_;  // parents before children; addresses stay
  std::vector<LiveFolder*> todo_;
  std::unordered_set<uint64_t> visited_;
  std::unordered_map<uint64_t, std::vector<EntryPlace>> names_;  // of files with several links
};

// In the same state as when the known tree was made, and so long before that no later change can
// have the same stamp.
bool LiveBuilder::is_settled(const Entry& before, const struct stat& st) const {
  return before.lineage == request_.lineage && is_state_of(before, st) &&
         before.ctime_ns < known_.manifest().taken_ns - kClockGrainNs;
}

Result<std::optional<Entry>> LiveBuilder::next_entry(int fd, const std::string& name,
                                                     const Entry* before) {
  struct stat st {};
  if (::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<Entry>{};
    return errno_error("stat", errno);
  }
  ++work_.entries_looked_at;
  if (st.st_dev != device_) {
    return std::optional(mount_point_entry(name, request_.lineage));
  }
  if (before != nullptr && is_settled(*before, st)) {
    std::optional<Entry> kept(*before);
    if (take_hashed_body(request_, *kept)) ++change_.hashed;
    return kept;
  }
  const auto found = remembered_.find(st.st_ino);
  if (found != remembered_.end() && is_state_of(found->second, st)) {
    Entry out = found->second;
    out.name = name;
    return std::optional(std::move(out));
  }
  std::optional<Entry> out = TRY(files_.read(fd, name, st));
  if (out && out->type == EntryType::kRegular &&
      (out->links > 1 || out->size >= kRememberedBytesMin)) {
    remembered_.insert_or_assign(out->inode, *out);
  }
  return out;
}

// False if a name has gone since it was listed.
Result<bool> LiveBuilder::read_entries(int fd, LiveFolder& folder, const tree::Directory& before,
                                       Links& links) {
  const std::vector<NameAndInode> names = TRY(read_names_at_once(fd));
  auto& entries = folder.directory.entries;
  entries.clear();
  entries.reserve(names.size());
  links.clear();
  folder.same = !folder.known.is_zero() && names.size() == before.entries.size();
  FolderSize size;
  for (const auto& [name, inode] : names) {
    const Entry* const old = find_entry(before, name);
    Result<std::optional<Entry>> entry = next_entry(fd, name, old);
    if (!entry) return std::move(entry).error().context(shown_path(join_path(folder.path, name)));
    if (!*entry) return false;
    folder.same = folder.same && old != nullptr && **entry == *old;
    if ((*entry)->type == EntryType::kRegular && (*entry)->links > 1) {
      links.emplace_back((*entry)->inode, entries.size());
    }
    TRY(size.add(folder, **entry));
    entries.push_back(std::move(**entry));
  }
  return true;
}

Status LiveBuilder::read_folder(LiveFolder& folder) {
  Result<UniqueFd> fd = open_beneath(request_.root, folder.path, O_RDONLY | O_DIRECTORY);
  struct stat st {};
  if (!fd || ::fstat(fd->get(), &st) != 0 || st.st_ino != folder.inode ||
      !visited_.insert(folder.inode).second) {
    if (!fd && fd.error().code == Code::kExhausted) return fd.error();
    moved_ = folder.path;
    return ok();
  }
  tree::Directory before;
  if (!known_.empty()) {
    const Digest* const known = known_.directory_of(folder.inode);
    if (known != nullptr) {
      folder.known = *known;
      before = TRY(known_.directory(*known));
    }
  }
  Links links;
  for (int tries = 0;; ++tries) {
    if (tries == kListingsMax) return restless_folder(folder.path);
    if (tries > 0) ::lseek(fd->get(), 0, SEEK_SET);
    ++work_.directories_read;
    const Result<bool> whole = read_entries(fd->get(), folder, before, links);
    if (whole && *whole) break;
    if (!whole && whole.error().code != Code::kConflict) return whole.error();
    // A file that would not hold still is the end; a folder that was too large is listed again.
    if (!whole && !folder.directory.entries.empty()) return whole.error();
  }
  for (const auto& [inode, index] : links) names_[inode].push_back({&folder, index});
  enter_folders(folder);
  return ok();
}

void LiveBuilder::enter_folders(LiveFolder& folder) {
  const auto& entries = folder.directory.entries;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].type != EntryType::kDirectory) continue;
    LiveFolder& child = folders_.emplace_back();
    child.path = join_path(folder.path, entries[i].name);
    child.inode = entries[i].inode;
    child.parent = &folder;
    child.index_in_parent = i;
    todo_.push_back(&child);
  }
}

// Depth first, so that little time passes between a folder's listing and its subfolders'.
Status LiveBuilder::walk() {
  folders_.clear();
  todo_.clear();
  visited_.clear();
  names_.clear();
  moved_.clear();
  LiveFolder& root = folders_.emplace_back();
  root.inode = change_.root.inode;
  todo_.push_back(&root);
  while (!todo_.empty() && moved_.empty()) {
    LiveFolder* const next = todo_.back();
    todo_.pop_back();
    TRY(read_folder(*next));
  }
  return ok();
}

// Names of one file were met at different moments: the last state counts for all. Their number is
// what was found, since names outside the tree are none of its.
void LiveBuilder::join_links() {
  for (const auto& [inode, places] : names_) {
    const Entry* newest = &places.front().entry();
    for (const EntryPlace& place : places) {
      if (place.entry().ctime_ns >= newest->ctime_ns) newest = &place.entry();
    }
    Entry state = *newest;
    state.links = static_cast<uint32_t>(places.size());
    for (const EntryPlace& place : places) {
      state.name = place.entry().name;
      if (place.entry() == state) continue;
      place.entry() = state;
      static_cast<LiveFolder*>(place.folder)->same = false;
    }
  }
}

void LiveBuilder::write_objects() {
  std::unordered_set<Digest> written;
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    for (const Entry& entry : folder->directory.entries) {
      change_.totals.add(entry);
      if (entry.body.kind == tree::BodyKind::kProvisional) {
        change_.provisional.push_back({entry.inode, entry.body, entry.size});
      }
    }
    Digest id = folder->known;
    if (!folder->same) {
      tree::Object object = tree::encode_directory(folder->directory, request_.lineage);
      id = object.id;
      change_.directories[folder->inode] = id;
      if (!known_.has_object(id) && written.insert(id).second) {
        change_.objects.push_back(std::move(object));
      }
    }
    if (folder->parent == nullptr) {
      change_.root.directory = id;
      continue;
    }
    Entry& entry = folder->parent->directory.entries[folder->index_in_parent];
    if (entry.directory == id) continue;
    entry.directory = id;
    static_cast<LiveFolder*>(folder->parent)->same = false;
  }
}

Result<TreeChange> LiveBuilder::run() {
  struct stat st {};
  if (::fstat(request_.root, &st) != 0) return errno_error("stat", errno);
  device_ = st.st_dev;
  // Everything may be dirty: at once is cheaper than file by file.
  if (known_.empty() && ::syncfs(request_.root) != 0) return errno_error("syncfs", errno);
  const std::optional<Entry> root = TRY(files_.read(request_.root, "", st));
  if (!root) return Error{Code::kNotFound, "the live tree is gone", {}};
  change_.root = *root;
  for (int walks = 0;; ++walks) {
    if (walks == kWalksMax) return restless_folder(moved_);
    TRY(walk());
    if (moved_.empty()) break;
  }
  join_links();
  change_.totals.add(change_.root);
  write_objects();
  for (const uint64_t inode : known_.inodes()) {
    if (!visited_.contains(inode)) change_.vanished.push_back(inode);
  }
  return std::move(change_);
}

}  // namespace

Result<TreeChange> build_live_tree(const BuildRequest& request, const KnownTree& known,
                                   Bodies& bodies, BuildWork* work) {
  const UniqueFd probe = TRY(bodies.unnamed_file());
  LiveBuilder builder(request, known, bodies,
                      !request.assume_coarse_stamps && stamps_are_fine(probe.get()));
  Result<TreeChange> out = builder.run();
  if (work != nullptr) *work = builder.work();
  return out;
}

}  // namespace devrun::storage
