#include "common/tree/merge.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/tree/merge_entry.h"

namespace devrun::tree {

namespace {

// Three directories are in memory for each level on the way down.
constexpr size_t kDepthMax = 4096;

bool is_directory(const Entry* entry) {
  return entry != nullptr && entry->type == EntryType::kDirectory;
}

std::optional<Entry> value_of(const Entry* entry) {
  return entry == nullptr ? std::nullopt : std::optional(*entry);
}

// One name in up to three directories.
struct Three {
  const Entry* base;
  const Entry* ours;
  const Entry* theirs;
};

class Merge {
 public:
  Merge(const MergeRequest& request, const ObjectSink& objects, const ConflictSink& conflicts)
      : request_(request), objects_(objects), conflicts_(conflicts) {}

  Result<Entry> directories(const std::string& path, const Three& three, size_t depth);

 private:
  Result<std::optional<Entry>> entry(const std::string& path, const Three& three, size_t depth);
  Result<std::optional<Entry>> without_theirs(const std::string& path, const Three& three,
                                              size_t depth);
  Result<bool> is_part_of(const std::string& path, const Entry* whole, const Entry* part,
                          size_t depth);
  Result<Directory> below(const std::string& path, const Three& three, size_t depth);
  Result<Directory> read(const std::string& path, const Entry* entry);
  Result<Digest> store(const Directory& directory);
  Status conflict(const std::string& path, ConflictKind kind, const Three& three);

  const MergeRequest& request_;
  const ObjectSink& objects_;
  const ConflictSink& conflicts_;
  uint64_t next_inode_ = 1;
};

Status Merge::conflict(const std::string& path, ConflictKind kind, const Three& three) {
  return conflicts_(
      {path, kind, value_of(three.base), value_of(three.ours), value_of(three.theirs)});
}

Result<Directory> Merge::read(const std::string& path, const Entry* entry) {
  if (!is_directory(entry)) return Directory{};
  Result<Directory> out = request_.reader.read(entry->directory);
  if (!out) return std::move(out).error().context(fmt::format("merging /{}", path));
  return out;
}

Result<Digest> Merge::store(const Directory& directory) {
  const Object object = encode_directory(directory, request_.volume);
  TRY(objects_(object));
  return object.id;
}

// `ours` and `theirs` are directories, `base` whatever it is.
Result<Entry> Merge::directories(const std::string& path, const Three& three, size_t depth) {
  if (depth > kDepthMax) {
    return Error{Code::kExhausted, fmt::format("/{} is too deep", path.substr(0, 200)), {}};
  }
  MergedEntry attributes = merge_entry(three.base, *three.ours, *three.theirs);
  if (attributes.conflict) TRY(conflict(path, *attributes.conflict, three));
  Entry& out = attributes.entry;
  const Digest& ours = three.ours->directory;
  const Digest& theirs = three.theirs->directory;
  if (ours == theirs) return out;
  if (is_directory(three.base) && theirs == three.base->directory) return out;
  if (is_directory(three.base) && ours == three.base->directory) {
    out.directory = theirs;
    return out;
  }
  const Directory merged = TRY(below(path, three, depth));
  // Told apart by value: ours may be written for another lineage and yet be the same.
  if (merged == TRY(read(path, three.ours))) return out;
  out.directory = TRY(store(merged));
  return out;
}

// What is below a path at which each side has a directory or nothing.
Result<Directory> Merge::below(const std::string& path, const Three& three, size_t depth) {
  const Directory base = TRY(read(path, three.base));
  const Directory ours = TRY(read(path, three.ours));
  const Directory theirs = TRY(read(path, three.theirs));
  Directory out;
  auto at_base = base.entries.begin();
  auto at_ours = ours.entries.begin();
  auto at_theirs = theirs.entries.begin();
  const auto name_at = [](const auto& at, const Directory& directory) {
    return at == directory.entries.end() ? nullptr : &at->name;
  };
  while (true) {
    const std::string* least = nullptr;
    for (const std::string* name :
         {name_at(at_base, base), name_at(at_ours, ours), name_at(at_theirs, theirs)}) {
      if (name != nullptr && (least == nullptr || *name < *least)) least = name;
    }
    if (least == nullptr) return out;
    const std::string name = *least;
    const auto take = [&](auto& at, const Directory& directory) -> const Entry* {
      return at != directory.entries.end() && at->name == name ? &*at++ : nullptr;
    };
    const Three next{take(at_base, base), take(at_ours, ours), take(at_theirs, theirs)};
    std::optional<Entry> merged =
        TRY(entry(path.empty() ? name : path + "/" + name, next, depth + 1));
    if (merged) out.entries.push_back(std::move(*merged));
  }
}

Result<std::optional<Entry>> Merge::entry(const std::string& path, const Three& three,
                                          size_t depth) {
  const auto& [base, ours, theirs] = three;
  if (same_entry(ours, theirs) || same_entry(base, theirs)) return value_of(ours);
  if (same_entry(base, ours)) return value_of(theirs);
  if (theirs == nullptr) return without_theirs(path, three, depth);
  if (ours == nullptr) {
    if (TRY(is_part_of(path, base, theirs, depth))) return std::optional<Entry>{};
    TRY(conflict(path, ConflictKind::kOursDeletedTheirsChanged, three));
    return std::optional<Entry>{};
  }
  if (ours->type != theirs->type) {
    if (TRY(is_part_of(path, base, ours, depth))) return value_of(theirs);
    if (TRY(is_part_of(path, base, theirs, depth))) return value_of(ours);
    TRY(conflict(path, ConflictKind::kTypes, three));
    return value_of(ours);
  }
  if (is_directory(ours)) return std::optional(TRY(directories(path, three, depth)));
  MergedEntry merged = merge_entry(base, *ours, *theirs);
  if (merged.conflict) TRY(conflict(path, *merged.conflict, three));
  if (merged.mixed) {
    merged.entry.lineage = request_.merge;
    merged.entry.inode = next_inode_++;
  }
  return std::optional(std::move(merged.entry));
}

// Whether a folder is what it was, or less: the other side, which has put something else in its place or nothing, has
// removed that, too. Compared as people would, whatever the objects are called: what came home has another identity in the
// volume than in the change set that it came from.
Result<bool> Merge::is_part_of(const std::string& path, const Entry* whole, const Entry* part,
                               size_t depth) {
  if (!is_directory(whole) || !is_directory(part)) return false;
  if (depth > kDepthMax) {
    return Error{Code::kExhausted, fmt::format("/{} is too deep", path.substr(0, 200)), {}};
  }
  Changes changes = compare(*whole, *part);
  changes.mtime = changes.links = false;
  if (changes.any()) return false;
  if (whole->directory == part->directory) return true;
  const Directory from = TRY(read(path, whole));
  const Directory left = TRY(read(path, part));
  auto known = from.entries.begin();
  for (const Entry& entry : left.entries) {
    known = std::lower_bound(known, from.entries.end(), entry.name,
                             [](const Entry& a, const std::string& name) { return a.name < name; });
    if (known == from.entries.end() || known->name != entry.name) return false;
    if (same_entry(&*known, &entry)) continue;
    if (!TRY(is_part_of(path + "/" + entry.name, &*known, &entry, depth + 1))) return false;
  }
  return true;
}

// Theirs deleted what ours changed.
Result<std::optional<Entry>> Merge::without_theirs(const std::string& path, const Three& three,
                                                   size_t depth) {
  if (!is_directory(three.base) || !is_directory(three.ours)) {
    TRY(conflict(path, ConflictKind::kOursChangedTheirsDeleted, three));
    return value_of(three.ours);
  }
  if (depth > kDepthMax) {
    return Error{Code::kExhausted, fmt::format("/{} is too deep", path.substr(0, 200)), {}};
  }
  const Directory left = TRY(below(path, three, depth));
  if (left.entries.empty()) return std::optional<Entry>{};
  Entry out = *three.ours;
  if (left != TRY(read(path, three.ours))) out.directory = TRY(store(left));
  return std::optional(std::move(out));
}

}  // namespace

Result<Entry> merge_trees(const MergeRequest& request, const ObjectSink& objects,
                          const ConflictSink& conflicts) {
  return Merge(request, objects, conflicts)
      .directories("", {&request.base, &request.ours, &request.theirs}, 0);
}

}  // namespace devrun::tree
