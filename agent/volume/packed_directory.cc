#include "agent/volume/packed_directory.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "common/base/check.h"

namespace devrun::volume {

uint64_t mix_hash(uint64_t seed, uint64_t value) {
  uint64_t x = seed ^ (value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2));
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

uint64_t hash_bytes(std::string_view bytes) {
  return std::hash<std::string_view>{}(bytes);
}

namespace {

std::string_view payload_of(const tree::Entry& entry) {
  switch (entry.type) {
    case tree::EntryType::kRegular:
      return entry.body.id;
    case tree::EntryType::kDirectory:
      return entry.directory.view();
    case tree::EntryType::kSymlink:
      return entry.link_target;
    case tree::EntryType::kCharacterDevice:
    case tree::EntryType::kBlockDevice:
    case tree::EntryType::kFifo:
    case tree::EntryType::kSocket:
    case tree::EntryType::kMountPoint:
      return {};
  }
  return {};
}

bool is_device(tree::EntryType type) {
  return type == tree::EntryType::kCharacterDevice || type == tree::EntryType::kBlockDevice;
}

}  // namespace

PackedDirectory::PackedDirectory(const tree::Directory& directory) {
  size_t text_bytes = 0;
  for (const tree::Entry& entry : directory.entries) {
    text_bytes += entry.name.size() + payload_of(entry).size();
  }
  CHECK(text_bytes <= std::numeric_limits<uint32_t>::max());  // objects are at most 1 GiB
  rows_.reserve(directory.entries.size());
  text_.reserve(text_bytes);
  for (const tree::Entry& entry : directory.entries) {
    const std::string_view payload = payload_of(entry);
    Row row{};
    row.mtime_ns = entry.mtime_ns;
    row.ctime_ns = entry.ctime_ns;
    row.inode = entry.inode;
    row.size = is_device(entry.type) ? entry.device : entry.size;
    row.uid = entry.uid;
    row.gid = entry.gid;
    row.links = entry.links;
    row.text = static_cast<uint32_t>(text_.size());
    row.payload = static_cast<uint32_t>(payload.size());
    row.lineage = lineage_index(entry.lineage);
    row.mode = static_cast<uint16_t>(entry.mode);
    row.name = static_cast<uint8_t>(entry.name.size());
    row.type = entry.type;
    row.body_kind = entry.body.kind;
    row.has_xattrs = !entry.xattrs.empty();
    if (row.has_xattrs) xattrs_.emplace_back(static_cast<uint32_t>(rows_.size()), entry.xattrs);
    text_.append(entry.name).append(payload);
    rows_.push_back(row);
  }
}

uint16_t PackedDirectory::lineage_index(const tree::Lineage& lineage) {
  const auto found = std::find(lineages_.begin(), lineages_.end(), lineage);
  const auto index = static_cast<size_t>(found - lineages_.begin());
  if (found == lineages_.end()) lineages_.push_back(lineage);
  CHECK(index <= std::numeric_limits<uint16_t>::max());
  return static_cast<uint16_t>(index);
}

std::optional<uint32_t> PackedDirectory::find(std::string_view name) const {
  const auto named = [this](const Row& row) {
    return std::string_view(text_).substr(row.text, row.name);
  };
  const auto found = std::lower_bound(
      rows_.begin(), rows_.end(), name,
      [&](const Row& row, std::string_view wanted) { return named(row) < wanted; });
  if (found == rows_.end() || named(*found) != name) return std::nullopt;
  return static_cast<uint32_t>(found - rows_.begin());
}

size_t PackedDirectory::bytes() const {
  return sizeof *this + rows_.capacity() * sizeof(Row) + text_.capacity() +
         lineages_.capacity() * sizeof(tree::Lineage) + xattrs_.size() * 128;
}

std::string_view PackedDirectory::Entry::name() const {
  return std::string_view(directory_->text_).substr(row().text, row().name);
}

std::string_view PackedDirectory::Entry::payload() const {
  return std::string_view(directory_->text_).substr(row().text + row().name, row().payload);
}

uint64_t PackedDirectory::Entry::size() const {
  return is_device(row().type) ? 0 : row().size;
}

uint64_t PackedDirectory::Entry::device() const {
  return is_device(row().type) ? row().size : 0;
}

const tree::Lineage& PackedDirectory::Entry::lineage() const {
  return directory_->lineages_[row().lineage];
}

bool PackedDirectory::Entry::is_folder() const {
  return row().type == tree::EntryType::kDirectory || row().type == tree::EntryType::kMountPoint;
}

std::string_view PackedDirectory::Entry::link_target() const {
  return row().type == tree::EntryType::kSymlink ? payload() : std::string_view{};
}

std::optional<Digest> PackedDirectory::Entry::directory() const {
  if (row().type != tree::EntryType::kDirectory) return std::nullopt;
  return Digest::from_bytes(payload());
}

std::string_view PackedDirectory::Entry::body_id() const {
  return row().type == tree::EntryType::kRegular ? payload() : std::string_view{};
}

const std::vector<tree::Xattr>& PackedDirectory::Entry::xattrs() const {
  static const std::vector<tree::Xattr> kNone;
  if (!row().has_xattrs) return kNone;
  const auto& all = directory_->xattrs_;
  const auto found =
      std::lower_bound(all.begin(), all.end(), index_,
                       [](const auto& some, uint32_t wanted) { return some.first < wanted; });
  return found->second;
}

bool PackedDirectory::Entry::same_file(const Entry& other) const {
  const Row& a = row();
  const Row& b = other.row();
  return a.inode == b.inode && a.ctime_ns == b.ctime_ns && a.type == b.type && a.size == b.size &&
         a.mtime_ns == b.mtime_ns && a.uid == b.uid && a.gid == b.gid && a.mode == b.mode &&
         a.links == b.links && a.body_kind == b.body_kind && payload() == other.payload() &&
         lineage() == other.lineage() && xattrs() == other.xattrs();
}

uint64_t PackedDirectory::Entry::file_hash() const {
  const Row& r = row();
  const tree::Lineage& from = lineage();
  uint64_t hash = hash_bytes({reinterpret_cast<const char*>(from.data()), from.size()});
  hash = mix_hash(hash, r.inode);
  hash = mix_hash(hash, static_cast<uint64_t>(r.ctime_ns));
  hash = mix_hash(hash, r.size);
  return mix_hash(hash, hash_bytes(payload()));
}

}  // namespace devrun::volume
