#include "agent/volume/vfs.h"

#include <fmt/format.h>

#include "agent/volume/body_holes.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kFirstEntry = 2;  // positions 0 and 1 are "." and ".."

Error no_such_node() {
  return Error{Code::kNotFound, "no such node", {}};
}

Attributes attributes_of(const PackedDirectory::Entry& entry) {
  Attributes out;
  out.type = entry.is_folder() ? tree::EntryType::kDirectory : entry.type();
  out.mode = entry.mode();
  out.uid = entry.uid();
  out.gid = entry.gid();
  out.links = entry.links();
  out.size = entry.size();
  out.device = entry.device();
  out.inode = entry.inode();
  out.mtime_ns = entry.mtime_ns();
  out.ctime_ns = entry.ctime_ns();
  return out;
}

}  // namespace

PackedDirectory::Entry Vfs::entry_of(const Node& node) const {
  return directories_.decoded(node.directory).at(node.entry);
}

Result<PackedDirectory::Entry> Vfs::find_entry(NodeId node) const {
  if (!nodes_.holds(node)) return no_such_node();
  // Left by a predecessor that was killed before it told anybody of it (recover.cc).
  if (nodes_.at(node).directory >= directories_.count()) return no_such_node();
  return entry_of(nodes_.at(node));
}

// What a folder contains; for a mount point, nothing.
Result<const PackedDirectory*> Vfs::contents(NodeId folder) {
  static const PackedDirectory kEmpty{tree::Directory{}};
  const Entry entry = TRY(find_entry(folder));
  if (!entry.is_folder()) return Error{Code::kInvalid, "not a folder", {}};
  if (entry.type() == tree::EntryType::kMountPoint) return &kEmpty;
  const std::optional<Digest> id = entry.directory();
  // Looked up again rather than remembered as missing: a later pack may bring it.
  DirectoryNumber own = nodes_.at(folder).own;
  if (own == kNoDirectory && id) own = directories_.find(*id);
  if (own == kNoDirectory) {
    const std::string name = id ? id->hex() : "without an id";
    log::error("folder '{}': its directory object {} is in no pack", entry.name(), name);
    return Error{Code::kCorrupt, fmt::format("directory object {} is missing", name), {}};
  }
  Result<const PackedDirectory*> out = directories_.get(own);
  if (!out) log::error("folder '{}': {}", entry.name(), out.error().message);
  return out;
}

Result<NodeId> Vfs::intern(NodeId folder, DirectoryNumber directory, uint32_t index) {
  const Entry entry = directories_.decoded(directory).at(index);
  const uint64_t path_hash = mix_hash(nodes_.at(folder).path_hash, hash_bytes(entry.name()));
  Node fresh{directory, index, kNoDirectory, NodeTable::index_of(folder), path_hash};
  NodeId out = 0;
  if (entry.is_folder()) {
    if (const std::optional<Digest> id = entry.directory()) fresh.own = directories_.find(*id);
    const auto same = [&](const Node& node) {
      return node.parent == fresh.parent && node.directory == directory && node.entry == index;
    };
    out = nodes_.intern(mix_hash(mix_hash(folder, directory), index), fresh, same);
  } else {
    if (entry.links() > 1) fresh.path_hash = 0;
    const auto same = [&](const Node& node) {
      return node.path_hash == fresh.path_hash && entry_of(node).same_file(entry);
    };
    out = nodes_.intern(mix_hash(entry.file_hash(), fresh.path_hash), fresh, same);
  }
  if (out == 0) return Error{Code::kExhausted, "too many nodes", {}};
  return out;
}

Result<std::optional<Found>> Vfs::lookup(NodeId folder, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const PackedDirectory* directory = TRY(contents(folder));
  const std::optional<uint32_t> index = directory->find(name);
  if (!index) return std::optional<Found>{};
  // What contains entries has an object, known by its number from now on.
  const DirectoryNumber number = directories_.find(*entry_of(nodes_.at(folder)).directory());
  const NodeId node = TRY(intern(folder, number, *index));
  return std::optional<Found>{Found{node, attributes_of(directory->at(*index))}};
}

Result<Attributes> Vfs::attributes(NodeId node) {
  const std::lock_guard lock(mutex_);
  return attributes_of(TRY(find_entry(node)));
}

Status Vfs::list(NodeId folder, uint64_t from, bool with_nodes,
                 const std::function<bool(const Listed&)>& emit) {
  const std::lock_guard lock(mutex_);
  const PackedDirectory* directory = TRY(contents(folder));
  const Node& self = nodes_.at(folder);
  if (from == 0 && !emit({".", attributes_of(entry_of(self)), 0, 1})) return ok();
  const Node& above = nodes_.at(NodeTable::id_of(self.parent));
  if (from <= 1 && !emit({"..", attributes_of(entry_of(above)), 0, kFirstEntry})) return ok();
  const uint64_t first = from < kFirstEntry ? 0 : from - kFirstEntry;
  if (first >= directory->size()) return ok();
  const DirectoryNumber number =
      with_nodes ? directories_.find(*entry_of(self).directory()) : kNoDirectory;
  for (auto i = static_cast<uint32_t>(first); i < directory->size(); ++i) {
    const Entry entry = directory->at(i);
    const NodeId node = with_nodes ? TRY(intern(folder, number, i)) : 0;
    if (!emit({entry.name(), attributes_of(entry), node, i + kFirstEntry + 1})) break;
  }
  return ok();
}

Result<std::string> Vfs::link_target(NodeId link) {
  const std::lock_guard lock(mutex_);
  const Entry entry = TRY(find_entry(link));
  if (entry.type() != tree::EntryType::kSymlink) {
    return Error{Code::kInvalid, "not a symbolic link", {}};
  }
  return std::string(entry.link_target());
}

Result<std::vector<tree::Xattr>> Vfs::xattrs(NodeId node) {
  const std::lock_guard lock(mutex_);
  return TRY(find_entry(node)).xattrs();
}

Result<Vfs::Content> Vfs::content(NodeId file) const {
  const std::lock_guard lock(mutex_);
  const Entry entry = TRY(find_entry(file));
  if (entry.type() != tree::EntryType::kRegular) {
    return Error{Code::kInvalid, "not a regular file", {}};
  }
  return Content{{entry.body_kind(), std::string(entry.body_id())}, entry.size()};
}

Result<std::vector<Slice>> Vfs::read(NodeId file, uint64_t offset, uint64_t size) {
  const Content whole = TRY(content(file));
  return bodies_.read(whole.body, whole.size, offset, size);
}

void Vfs::read(NodeId file, uint64_t offset, uint64_t size, BodyReader::Reply reply) {
  Result<Content> whole = content(file);
  if (!whole) return reply(std::move(whole).error());
  bodies_.read(whole->body, whole->size, offset, size, std::move(reply));
}

void Vfs::seek(NodeId file, uint64_t offset, bool hole, SeekReply reply) {
  const Result<Content> whole = content(file);
  if (!whole) return reply(whole.error());
  bodies_.hashes(whole->body, whole->size,
                 [=, size = whole->size, reply = std::move(reply)](const auto& hashes) {
                   if (!hashes) return reply(hashes.error());
                   reply(seek_in_body(**hashes, size, offset, hole));
                 });
}

Status Vfs::warm(NodeId file, uint64_t offset, uint64_t size, const std::stop_token& stop,
                 std::vector<Slice>* slices) {
  const Content found = TRY(content(file));
  return bodies_.warm(found.body, found.size, offset, size, stop, slices);
}

std::optional<NodeId> Vfs::folder_of(NodeId node) const {
  const std::lock_guard lock(mutex_);
  if (!nodes_.holds(node)) return std::nullopt;
  const uint32_t parent = nodes_.at(node).parent;
  if (parent == NodeTable::index_of(node)) return std::nullopt;
  return NodeTable::id_of(parent);
}

std::optional<std::string> Vfs::name_of(NodeId node) const {
  const std::lock_guard lock(mutex_);
  if (!nodes_.holds(node)) return std::nullopt;
  return std::string(entry_of(nodes_.at(node)).name());
}

std::optional<std::string> Vfs::path_of(NodeId node) const {
  const std::lock_guard lock(mutex_);
  if (!nodes_.holds(node)) return std::nullopt;
  std::string out;
  for (NodeId at = node;;) {
    const Node& self = nodes_.at(at);
    if (self.parent == NodeTable::index_of(at)) return out;
    const std::string_view name = entry_of(self).name();
    out.insert(0, out.empty() ? std::string(name) : fmt::format("{}/", name));
    at = NodeTable::id_of(self.parent);
  }
}

std::optional<Vfs::Place> Vfs::place_of(NodeId folder) const {
  const std::lock_guard lock(mutex_);
  if (!nodes_.holds(folder)) return std::nullopt;
  Place out{folder, {}};
  for (;;) {
    const Node& self = nodes_.at(out.root);
    if (self.parent == NodeTable::index_of(out.root)) return out;
    const std::string_view name = entry_of(self).name();
    out.path.insert(0, out.path.empty() ? std::string(name) : fmt::format("{}/", name));
    out.root = NodeTable::id_of(self.parent);
  }
}

std::optional<Vfs::FoundFile> Vfs::find_file(NodeId root, std::string_view path) {
  NodeId at = root;
  for (;;) {
    const size_t slash = path.find('/');
    const Result<std::optional<Found>> found = lookup(at, path.substr(0, slash));
    if (!found || !*found) return std::nullopt;
    at = (*found)->node;
    if (slash == std::string_view::npos) {
      if ((*found)->attributes.type != tree::EntryType::kRegular) return std::nullopt;
      return FoundFile{at, (*found)->attributes.size};
    }
    path.remove_prefix(slash + 1);
  }
}

void Vfs::count(std::map<std::string, uint64_t>& counters) const {
  bodies_.count(counters);
  const std::lock_guard lock(mutex_);
  counters["memory.trees"] = tree_order_.size();
  counters["memory.deltas"] = deltas_;
  counters["memory.directories"] = directories_.count();
  counters["memory.directories_decoded"] = directories_.decoded_count();
  counters["memory.nodes"] = nodes_.count();
  counters["memory.bytes"] = directories_.bytes() + nodes_.bytes();
}

}  // namespace devrun::volume
