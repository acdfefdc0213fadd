#include "controller/storage/apply_tree.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>

#include "controller/storage/count_entries.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr uint64_t kEntriesPerWord = 200;
constexpr size_t kDepthMax = 4096;

bool is_below(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

Status go_on(const TreeWriter& writer, uint64_t entries, Work& work) {
  if (work.stopped()) return Error{Code::kCancelled, "interrupted", {}};
  if (writer.entries() % kEntriesPerWord == 0 && writer.entries() > 0) {
    work.tell_amount("writing entries", {static_cast<int64_t>(writer.entries()),
                                         static_cast<int64_t>(entries), Amount::Unit::kEntries});
  }
  return ok();
}

class FolderWalk {
 public:
  FolderWalk(int source, TreeWriter& writer, Work& work, const FaultPoint& fault)
      : source_(source),
        entries_(count_entries(fmt::format("/proc/self/fd/{}", source))),
        writer_(writer),
        work_(work),
        fault_(fault) {}

  Status folder(const std::string& path, const std::string& to, size_t depth) {
    if (depth > kDepthMax) return Error{Code::kExhausted, "a path that is too deep", {}};
    const UniqueFd fd = TRY(open_beneath(source_, path, O_RDONLY | O_DIRECTORY));
    for (const NameAndInode& named : TRY(read_names(fd.get()))) {
      TRY(go_on(writer_, entries_, work_));
      reach(fault_, "import.entry");
      const tree::Entry entry = TRY(read_entry(fd.get(), named.name, {}));
      const std::string from = path.empty() ? named.name : path + "/" + named.name;
      const std::string at = to.empty() ? named.name : to + "/" + named.name;
      TRY(writer_.put(at, entry));
      if (entry.type == tree::EntryType::kDirectory) TRY(folder(from, at, depth + 1));
    }
    return ok();
  }

 private:
  const int source_;
  const uint64_t entries_;
  TreeWriter& writer_;
  Work& work_;
  const FaultPoint& fault_;
};

}  // namespace

Status apply_tree(const ApplyRequest& request, TreeWriter& writer, Work& work,
                  const FaultPoint& fault) {
  uint64_t entries = 0;
  TRY(tree::diff_trees(request.from, request.to, request.only, [&](const tree::Difference&) {
    ++entries;
    return ok();
  }));
  std::string removed;  // what is below went with it
  const auto apply = [&](const tree::Difference& difference) -> Status {
    TRY(go_on(writer, entries, work));
    const tree::Entry* const after = difference.after;
    if (after == nullptr && !removed.empty() && is_below(difference.path, removed)) {
      return ok();
    }
    reach(fault, "restore.entry");
    if (after == nullptr) {
      removed = difference.path;
      return writer.remove(difference.path);
    }
    if (difference.before != nullptr && difference.changes.type) {
      removed = difference.path;
    }
    const tree::Changes& changes = difference.changes;
    const bool whole = difference.before == nullptr || changes.type || changes.content ||
                       changes.links || difference.before->links > 1;
    return whole ? writer.put(difference.path, *after)
                 : writer.put_attributes(difference.path, *after);
  };
  TRY(tree::diff_trees(request.from, request.to, request.only, apply));
  reach(fault, "restore.times");
  return writer.finish();
}

Status add_folder(int source, const std::string& to, TreeWriter& writer, Work& work,
                  const FaultPoint& fault) {
  if (!to.empty()) {
    TRY(writer.make_parents(to + "/"));
  }
  TRY(FolderWalk(source, writer, work, fault).folder("", to, 0));
  return writer.finish();
}

}  // namespace devrun::storage
