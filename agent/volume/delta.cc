#include "agent/volume/delta.h"

#include <algorithm>
#include <set>

namespace devrun::volume {

namespace {

using Entry = PackedDirectory::Entry;

bool is_whiteout(const Entry& entry) {
  return entry.type() == tree::EntryType::kCharacterDevice && entry.device() == 0;
}

bool is_layerable(const Entry& entry) {
  return entry.links() == 1 && entry.xattrs().empty() && !is_whiteout(entry);
}

// Its identity is that of what it hides, and its type: the same in every delta.
tree::Entry whiteout_named(std::string_view name, uint64_t inode, const tree::Lineage& lineage) {
  tree::Entry out;
  out.name = name;
  out.type = tree::EntryType::kCharacterDevice;
  out.inode = inode;
  out.lineage = lineage;
  return out;
}
tree::Entry whiteout_of(const Entry& gone) {
  return whiteout_named(gone.name(), gone.inode(), gone.lineage());
}

class Maker {
 public:
  Maker(DirectoryTable& directories, const tree::Lineage& lineage)
      : directories_(directories), lineage_(lineage) {}

  // The object of what lies over `base` to make it `next`. None: there is no delta.
  std::optional<Digest> folder(const Digest& base, const Digest& next,
                               const std::string& mark = {});
  std::vector<tree::Object> take() { return std::move(objects_); }

 private:
  const PackedDirectory* directory(const Digest& id);
  bool take_one() { return ++entries_ <= kDeltaEntriesMax; }
  // These add what they find to `out`, and are false if there is no delta.
  bool gone(const Entry& before, tree::Directory& out);
  bool fresh(const Entry& after, tree::Directory& out);
  bool both(const Entry& before, const Entry& after, tree::Directory& out);
  bool whole(const Entry& after);
  Digest add(const tree::Directory& content);

  DirectoryTable& directories_;
  const tree::Lineage lineage_;
  size_t entries_ = 0;
  std::set<Digest> known_;
  std::vector<tree::Object> objects_;
};

const PackedDirectory* Maker::directory(const Digest& id) {
  const DirectoryNumber number = directories_.find(id);
  if (number == kNoDirectory) return nullptr;
  const Result<const PackedDirectory*> found = directories_.get(number);
  return found ? *found : nullptr;
}

Digest Maker::add(const tree::Directory& content) {
  tree::Object object = tree::encode_directory(content, lineage_);
  const Digest id = object.id;
  if (known_.insert(id).second) objects_.push_back(std::move(object));
  return id;
}

// The depth is bounded by the number of entries: each level takes one.
std::optional<Digest> Maker::folder(const Digest& base, const Digest& next,
                                    const std::string& mark) {
  const PackedDirectory* const old_entries = directory(base);
  const PackedDirectory* const new_entries = directory(next);
  if (old_entries == nullptr || new_entries == nullptr) return std::nullopt;
  tree::Directory out;
  uint32_t i = 0;
  uint32_t j = 0;
  while (i < old_entries->size() || j < new_entries->size()) {
    const bool has_old = i < old_entries->size();
    const bool has_new = j < new_entries->size();
    const int order = !has_old   ? 1
                      : !has_new ? -1
                                 : old_entries->at(i).name().compare(new_entries->at(j).name());
    const bool made = order < 0   ? gone(old_entries->at(i), out)
                      : order > 0 ? fresh(new_entries->at(j), out)
                                  : both(old_entries->at(i), new_entries->at(j), out);
    if (!made) return std::nullopt;
    if (order <= 0) ++i;
    if (order >= 0) ++j;
  }
  if (!mark.empty()) {
    const auto at = std::ranges::lower_bound(out.entries, mark, {}, &tree::Entry::name);
    out.entries.insert(at, whiteout_named(mark, UINT64_MAX, lineage_));
  }
  return add(out);
}

// What is in a folder that is gone is not looked at: of a file that had names in it and elsewhere,
// those elsewhere tell, as the number of its links has changed.
bool Maker::gone(const Entry& before, tree::Directory& out) {
  if (!take_one() || !is_layerable(before)) return false;
  out.entries.push_back(whiteout_of(before));
  return true;
}

bool Maker::fresh(const Entry& after, tree::Directory& out) {
  if (!whole(after)) return false;
  out.entries.push_back(unpacked(after));
  return true;
}

// All that is in it is new to the overlay.
bool Maker::whole(const Entry& after) {
  if (!take_one() || !is_layerable(after)) return false;
  if (after.type() != tree::EntryType::kDirectory) return true;
  const PackedDirectory* const content = directory(*after.directory());
  if (content == nullptr) return false;
  for (uint32_t i = 0; i < content->size(); ++i) {
    if (!whole(content->at(i))) return false;
  }
  return true;
}

bool Maker::both(const Entry& before, const Entry& after, tree::Directory& out) {
  if (before.same_file(after)) return true;
  if (!is_layerable(before)) return false;
  if (!before.is_folder() || !after.is_folder()) return fresh(after, out);
  if (!take_one() || before.type() != after.type() || !is_layerable(after)) return false;
  tree::Entry entry = unpacked(after);
  if (after.type() == tree::EntryType::kDirectory) {
    const std::optional<Digest> content = before.directory() == after.directory()
                                              ? add({})
                                              : folder(*before.directory(), *after.directory());
    if (!content) return false;
    entry.directory = *content;
  }
  out.entries.push_back(std::move(entry));
  return true;
}

}  // namespace

tree::Entry unpacked(const PackedDirectory::Entry& entry) {
  tree::Entry out;
  out.name = entry.name();
  out.type = entry.type();
  out.mode = entry.mode();
  out.uid = entry.uid();
  out.gid = entry.gid();
  out.size = entry.size();
  out.mtime_ns = entry.mtime_ns();
  out.ctime_ns = entry.ctime_ns();
  out.inode = entry.inode();
  out.lineage = entry.lineage();
  out.links = entry.links();
  out.device = entry.device();
  out.link_target = entry.link_target();
  out.body = {entry.body_kind(), std::string(entry.body_id())};
  out.directory = entry.directory().value_or(Digest{});
  out.xattrs = entry.xattrs();
  return out;
}

std::optional<Delta> make_delta(DirectoryTable& directories, const Digest& base, const Digest& tree,
                                const tree::Lineage& lineage, const std::string& mark) {
  Maker maker(directories, lineage);
  const std::optional<Digest> root = maker.folder(base, tree, mark);
  if (!root) return std::nullopt;
  return Delta{*root, maker.take()};
}

}  // namespace devrun::volume
