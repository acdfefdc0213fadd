#include "tests/unit/agent/volume/tree_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace devrun::volume {

namespace {
constexpr int64_t kLongAgoNs = 1'600'000'000'123'456'789;
}

void MemoryStore::put(const std::string& path, std::string bytes) {
  const std::lock_guard lock(mutex_);
  files_[path] = std::move(bytes);
}

void MemoryStore::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_.erase(path);
}

void MemoryStore::write_to(const std::filesystem::path& folder) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, bytes] : files_) {
    std::filesystem::create_directories((folder / path).parent_path());
    std::ofstream(folder / path, std::ios::binary) << bytes;
  }
}

Result<std::string> MemoryStore::read_whole(const std::string& path, uint64_t bytes_max,
                                            Deadline deadline, Priority priority) {
  return read_range(path, 0, bytes_max, deadline, priority);
}

Result<std::string> MemoryStore::read_range(const std::string& path, uint64_t offset, uint64_t size,
                                            Deadline, Priority) {
  if (away_) return Error{Code::kUnavailable, "the store is away", {}};
  const std::lock_guard lock(mutex_);
  reads_ += 1;
  const auto found = files_.find(path);
  if (found == files_.end()) return Error{Code::kNotFound, path + " is not there", {}};
  if (offset >= found->second.size()) return std::string();
  return found->second.substr(offset, size);
}

void MemoryStore::count(std::map<std::string, uint64_t>& counters) const {
  counters["store.read"] = reads_;
}

tree::Entry file(MemoryStore& store, const std::string& name, const std::string& bytes,
                 uint64_t inode) {
  tree::Entry out;
  out.name = name;
  out.mode = 0644;
  out.size = bytes.size();
  out.mtime_ns = out.ctime_ns = kLongAgoNs;
  out.inode = inode;
  if (bytes.empty()) return out;
  if (bytes.size() <= tree::kInlineBytesMax) {
    out.body = {tree::BodyKind::kInline, bytes};
    return out;
  }
  std::string list;
  for (size_t at = 0; at < bytes.size(); at += tree::kChunkBytes) {
    list += tree::sha256(std::string_view(bytes).substr(at, tree::kChunkBytes)).view();
  }
  out.body = {tree::BodyKind::kChunked, std::string(tree::sha256(list).view())};
  store.put(tree::body_path(out.body), bytes);
  if (bytes.size() > tree::kChunkBytes) store.put(tree::chunk_list_path(out.body), list);
  return out;
}

tree::Entry provisional_file(MemoryStore& store, const std::string& name, const std::string& bytes,
                             uint64_t inode) {
  tree::Entry out = file(store, name, "", inode);
  out.size = bytes.size();
  out.body = {tree::BodyKind::kProvisional, fmt::format("{:016}", inode)};
  store.put(tree::body_path(out.body), bytes);
  return out;
}

tree::Entry link_to(const std::string& name, const std::string& target, uint64_t inode) {
  tree::Entry out;
  out.name = name;
  out.type = tree::EntryType::kSymlink;
  out.mode = 0777;
  out.size = target.size();
  out.inode = inode;
  out.link_target = target;
  return out;
}

Digest TreeBuilder::object(std::vector<tree::Entry> entries) {
  for (tree::Entry& entry : entries) {
    if (entry.lineage == tree::Lineage{}) entry.lineage = lineage;
  }
  std::sort(entries.begin(), entries.end(),
            [](const tree::Entry& a, const tree::Entry& b) { return a.name < b.name; });
  objects_.push_back(tree::encode_directory({std::move(entries)}, lineage));
  return objects_.back().id;
}

tree::Entry TreeBuilder::folder(const std::string& name, std::vector<tree::Entry> entries,
                                uint64_t inode) {
  tree::Entry out;
  out.name = name;
  out.type = tree::EntryType::kDirectory;
  out.mode = 0755;
  out.inode = inode;
  out.mtime_ns = out.ctime_ns = kLongAgoNs;
  out.directory = object(std::move(entries));
  return out;
}

Digest TreeBuilder::finish(std::vector<tree::Entry> entries) {
  tree::Manifest manifest;
  manifest.root = folder("", std::move(entries), 256);
  manifest.root.lineage = root_lineage.value_or(lineage);
  manifest.tree = manifest.root.directory;
  manifest.volume.assign(1, 'v');  // assigned as text, GCC 12 raises a false alarm at -O2
  manifest.lineage = lineage;
  manifest.taken_ns = kLongAgoNs + 1;
  manifest.has_xattrs = has_xattrs;
  std::vector<std::string_view> objects;
  for (const tree::Object& object : objects_) objects.push_back(object.bytes);
  const std::string pack = tree::encode_pack(objects);
  manifest.packs = {tree::sha256(pack)};
  store_.put(tree::pack_path(manifest.packs.front()), pack);
  store_.put(tree::manifest_path(manifest.tree), tree::encode_manifest(manifest));
  return manifest.tree;
}

}  // namespace devrun::volume
