#include "common/tree/diff.h"

#include <fmt/format.h>

#include <algorithm>

namespace devrun::tree {

namespace {

// A folder's entries are in memory while what is below it is told: this bounds how many.
constexpr size_t kDepthMax = 4096;

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

bool is_below(const std::string& path, const std::string& folder) {
  return folder.empty() ||
         (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}

class Walk {
 public:
  Walk(const TreeRef& before, const TreeRef& after, std::span<const std::string> only,
       const std::function<Status(const Difference&)>& sink)
      : before_(before), after_(after), only_(only), sink_(sink) {}

  // Two entries of one name, of which one may be missing.
  Status entry(const std::string& path, const Entry* before, const Entry* after, size_t depth) {
    if (!leads_to_wanted(path)) return ok();
    if (depth > kDepthMax) {
      return Error{Code::kExhausted, fmt::format("/{} is too deep", path.substr(0, 200)), {}};
    }
    const bool folder_before = before != nullptr && before->type == EntryType::kDirectory;
    const bool folder_after = after != nullptr && after->type == EntryType::kDirectory;
    const Changes changes =
        before != nullptr && after != nullptr ? compare(*before, *after) : Changes{};
    const bool on_the_way = before == nullptr || changes.type;
    if (is_wanted(path) ? on_the_way || after == nullptr || changes.any() : on_the_way) {
      TRY(sink_({path, before, after, changes}));
    }
    if (folder_before && folder_after && before->directory == after->directory) return ok();
    Directory old_entries;
    Directory new_entries;
    if (folder_before) old_entries = TRY(read(before_.reader, path, before->directory));
    if (folder_after) new_entries = TRY(read(after_.reader, path, after->directory));
    return folder(path, old_entries, new_entries, depth);
  }

 private:
  static Result<Directory> read(DirectoryReader& reader, const std::string& path,
                                const Digest& id) {
    Result<Directory> out = reader.read(id);
    if (!out) return std::move(out).error().context(fmt::format("reading /{}", path));
    return out;
  }

  Status folder(const std::string& path, const Directory& before, const Directory& after,
                size_t depth) {
    auto old_at = before.entries.begin();
    auto new_at = after.entries.begin();
    while (old_at != before.entries.end() || new_at != after.entries.end()) {
      const bool only_old = new_at == after.entries.end() ||
                            (old_at != before.entries.end() && old_at->name < new_at->name);
      const bool only_new =
          !only_old && (old_at == before.entries.end() || new_at->name < old_at->name);
      const Entry* const old_entry = only_new ? nullptr : &*old_at++;
      const Entry* const new_entry = only_old ? nullptr : &*new_at++;
      const std::string& name = old_entry != nullptr ? old_entry->name : new_entry->name;
      TRY(entry(join(path, name), old_entry, new_entry, depth + 1));
    }
    return ok();
  }

  bool is_wanted(const std::string& path) const {
    return only_.empty() || std::ranges::any_of(only_, [&](const std::string& wanted) {
             return is_below(path, wanted);
           });
  }
  bool leads_to_wanted(const std::string& path) const {
    return is_wanted(path) || std::ranges::any_of(only_, [&](const std::string& wanted) {
             return is_below(wanted, path);
           });
  }

  const TreeRef& before_;
  const TreeRef& after_;
  std::span<const std::string> only_;
  const std::function<Status(const Difference&)>& sink_;
};

}  // namespace

namespace {

// A large file's body is renamed once its hash is known: the untouched file has the same bytes.
bool same_bytes(const Entry& before, const Entry& after) {
  if (before.body == after.body) return true;
  const bool renamed =
      before.body.kind == BodyKind::kProvisional || after.body.kind == BodyKind::kProvisional;
  return renamed && before.inode == after.inode && before.lineage == after.lineage &&
         before.ctime_ns == after.ctime_ns && before.mtime_ns == after.mtime_ns &&
         before.size == after.size;
}

}  // namespace

Changes compare(const Entry& before, const Entry& after) {
  Changes out;
  out.type = before.type != after.type;
  out.content =
      !out.type && (!same_bytes(before, after) || before.link_target != after.link_target ||
                    before.device != after.device ||
                    (before.type == EntryType::kRegular && before.size != after.size));
  out.mode = before.mode != after.mode;
  out.owner = before.uid != after.uid || before.gid != after.gid;
  out.mtime = before.mtime_ns != after.mtime_ns;
  out.xattrs = before.xattrs != after.xattrs;
  out.links = before.links != after.links;
  return out;
}

Status diff_trees(const TreeRef& before, const TreeRef& after, std::span<const std::string> only,
                  const std::function<Status(const Difference&)>& sink) {
  return Walk(before, after, only, sink).entry("", &before.root, &after.root, 0);
}

Result<Entry> find_entry(const TreeRef& tree, const std::string& path) {
  Entry at = tree.root;
  for (size_t from = 0; from < path.size();) {
    const size_t end = std::min(path.find('/', from), path.size());
    const std::string name = path.substr(from, end - from);
    if (at.type == EntryType::kSymlink) {
      return Error{Code::kInvalid,
                   fmt::format("/{} is a link to {}: name the path without it",
                               path.substr(0, from - 1), at.link_target),
                   {}};
    }
    if (at.type != EntryType::kDirectory) {
      return Error{Code::kInvalid, fmt::format("/{} is no folder", path.substr(0, from - 1)), {}};
    }
    const Directory directory = TRY(tree.reader.read(at.directory));
    const auto found = std::ranges::lower_bound(directory.entries, name, {}, &Entry::name);
    if (found == directory.entries.end() || found->name != name) {
      return Error{Code::kNotFound, fmt::format("there is no /{}", path.substr(0, end)), {}};
    }
    at = *found;
    from = end + 1;
  }
  return at;
}

}  // namespace devrun::tree
