#include "controller/storage/tree_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "common/runtime/file.h"
#include "common/tree/paths.h"
#include "common/tree/stat_values.h"
#include "controller/storage/attributes.h"
#include "controller/storage/body_check.h"
#include "controller/storage/remove_tree.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr size_t kPathBytesMax = 4095;

// All of `from` into the empty `to`; by reference where the file system can.
Status copy_file(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) return ok();
  const auto buffer = std::make_unique<char[]>(tree::kChunkBytes);
  for (off_t at = 0;;) {
    const ssize_t n = ::pread(from, buffer.get(), tree::kChunkBytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read", errno);
    if (n == 0) return ok();
    TRY(write_all(to, {buffer.get(), static_cast<size_t>(n)}));
    at += n;
  }
}

Result<UniqueFd> open_object(int folder, const std::string& name) {
  UniqueFd fd(::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno_error(name, errno);
  return fd;
}

Result<mode_t> type_at(int object) {
  struct stat st {};
  if (::fstat(object, &st) != 0) return errno_error("stat", errno);
  return static_cast<mode_t>(st.st_mode & S_IFMT);
}

}  // namespace

Result<std::string> path_in_volume(const std::string& path) {
  const Error wrong{Code::kInvalid,
                    fmt::format("'{}' is not an absolute path in a volume", path.substr(0, 100)),
                    {}};
  if (path.empty() || path[0] != '/' || path.size() > kPathBytesMax) return wrong;
  if (path.find('\0') != std::string::npos) return wrong;
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..") return wrong;
    out += (out.empty() ? "" : "/") + name;
  }
  return out;
}

Status BodyContents::fill(int to, const std::string& path, const tree::Entry& entry) {
  if (entry.size == 0) return ok();
  if (entry.body.kind == tree::BodyKind::kInline) return write_all(to, entry.body.id);
  const std::string stored = tree::body_path(entry.body);
  const UniqueFd from = TRY(open_file(export_path_ + "/" + stored, O_RDONLY));
  Status right = trusted_ ? ok() : check_body(from.get(), entry.size, entry.body);
  if (!right) {
    return std::move(right).error().context(
        fmt::format("/{}: {} in the store is damaged", path, stored));
  }
  return copy_file(from.get(), to);
}

Status FolderContents::fill(int to, const std::string& path, const tree::Entry& entry) {
  if (entry.size == 0) return ok();
  const UniqueFd from = TRY(
      open_beneath(root_, path.substr(to_.empty() ? 0 : to_.size() + 1), O_RDONLY | O_NONBLOCK));
  return copy_file(from.get(), to);
}

Result<TreeWriter::Place> TreeWriter::place_of(const std::string& path) const {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
  Result<UniqueFd> fd = open_beneath(root_, folder, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::move(fd).error().context("/" + path);
  return Place{std::move(*fd), path.substr(slash == std::string::npos ? 0 : slash + 1)};
}

// Ours among the names of users for an instant. Should we be killed then it stays, and other writers
// may be at work in the same folder: so the next free one.
Result<std::string> TreeWriter::make_temporary(const std::function<int(const char* name)>& make) {
  constexpr int kNamesTriedMax = 1000;
  for (int tries = 0; tries < kNamesTriedMax; ++tries) {
    std::string name = fmt::format(".devrun-new.{}.{}", ::getpid(), ++temporaries_);
    if (make(name.c_str()) == 0) return name;
    if (errno != EEXIST) break;
  }
  return errno_error("create", errno);
}

Status TreeWriter::put(const std::string& path, const tree::Entry& entry) {
  ++entries_;
  const auto named = [&](Status status) -> Status {
    return status ? std::move(status) : std::move(status).error().context("/" + path);
  };
  if (path.empty()) {
    folders_.emplace_back(path, entry);
    return ok();
  }
  const Place place = TRY(place_of(path));
  if (tree::type_bits(entry.type) == S_IFDIR) return named(put_folder(place, path, entry));
  if (entry.type != tree::EntryType::kRegular) return named(put_other(place, entry));
  if (entry.links > 1) {
    std::string key(reinterpret_cast<const char*>(entry.lineage.data()), entry.lineage.size());
    key += std::to_string(entry.inode);
    const auto [first, is_first] = first_names_.try_emplace(std::move(key), path);
    if (!is_first) return named(put_link(place, first->second));
  }
  return named(put_file(place, path, entry));
}

Status TreeWriter::put_folder(const Place& place, const std::string& path,
                              const tree::Entry& entry) {
  const Result<UniqueFd> there = open_object(place.folder.get(), place.name);
  if (there && TRY(type_at(there->get())) != S_IFDIR) {
    TRY(remove_tree(place.folder.get(), place.name));
  }
  if (::mkdirat(place.folder.get(), place.name.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error("mkdir", errno);
  }
  folders_.emplace_back(path, entry);
  return ok();
}

// Only a folder is in the way of a rename.
Status TreeWriter::take_name(const Place& place, const std::string& temporary) const {
  const int folder = place.folder.get();
  int failed = 0;
  for (int tries = 0; tries < 3; ++tries) {
    if (::renameat(folder, temporary.c_str(), folder, place.name.c_str()) == 0) {
      // Two names of one inode: the rename did nothing.
      ::unlinkat(folder, temporary.c_str(), 0);
      return ok();
    }
    failed = errno;
    if (failed != EISDIR && failed != ENOTEMPTY && failed != EEXIST) break;
    if (Status gone = remove_tree(folder, place.name); !gone) {
      ::unlinkat(folder, temporary.c_str(), 0);
      return gone;
    }
  }
  ::unlinkat(folder, temporary.c_str(), 0);
  return errno_error("rename", failed);
}

Status TreeWriter::put_file(const Place& place, const std::string& path, const tree::Entry& entry) {
  const UniqueFd file(::openat(place.folder.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return errno_error("create", errno);
  TRY(contents_.fill(file.get(), path, entry));
  bytes_ += entry.size;
  TRY(set_attributes(file.get(), entry));
  const std::string self = fmt::format("/proc/self/fd/{}", file.get());
  const std::string temporary = TRY(make_temporary([&](const char* name) {
    return ::linkat(AT_FDCWD, self.c_str(), place.folder.get(), name, AT_SYMLINK_FOLLOW);
  }));
  return take_name(place, temporary);
}

Status TreeWriter::put_link(const Place& place, const std::string& first) {
  const Place from = TRY(place_of(first));
  const std::string temporary = TRY(make_temporary([&](const char* name) {
    return ::linkat(from.folder.get(), from.name.c_str(), place.folder.get(), name, 0);
  }));
  return take_name(place, temporary);
}

Status TreeWriter::put_other(const Place& place, const tree::Entry& entry) {
  const int folder = place.folder.get();
  const bool is_link = entry.type == tree::EntryType::kSymlink;
  const std::string temporary = TRY(make_temporary([&](const char* name) {
    return is_link ? ::symlinkat(entry.link_target.c_str(), folder, name)
                   : ::mknodat(folder, name, tree::type_bits(entry.type) | 0600, entry.device);
  }));
  // Somebody may have put something else there meanwhile: what is not ours keeps its attributes.
  Result<UniqueFd> object = open_object(folder, temporary);
  const bool ours = object && TRY(type_at(object->get())) == tree::type_bits(entry.type);
  Status set = ours ? set_attributes(object->get(), entry)
                    : Status(Error{Code::kConflict, "it was changed while it was written", {}});
  if (!set) {
    ::unlinkat(folder, temporary.c_str(), 0);
    return set;
  }
  return take_name(place, temporary);
}

Status TreeWriter::put_attributes(const std::string& path, const tree::Entry& entry) {
  if (tree::type_bits(entry.type) == S_IFDIR || entry.type == tree::EntryType::kSymlink ||
      entry.links > 1) {
    return put(path, entry);
  }
  const Place place = TRY(place_of(path));
  const Result<UniqueFd> object = open_object(place.folder.get(), place.name);
  if (!object || TRY(type_at(object->get())) != tree::type_bits(entry.type))
    return put(path, entry);
  ++entries_;
  return set_attributes(object->get(), entry);
}

Status TreeWriter::remove(const std::string& path) {
  Result<Place> place = place_of(path);
  if (!place && place.error().code == Code::kNotFound) return ok();
  if (!place) return place.error();
  ++entries_;
  return remove_tree(place->folder.get(), place->name);
}

Status TreeWriter::make_parents(const std::string& path) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    const Place place = TRY(place_of(path.substr(0, at)));
    if (::mkdirat(place.folder.get(), place.name.c_str(), 0755) != 0 && errno != EEXIST) {
      return errno_error(fmt::format("mkdir /{}", path.substr(0, at)), errno);
    }
  }
  return ok();
}

// Those below before those above, since a change below is a change of the folder's time.
Status TreeWriter::finish() {
  for (auto at = folders_.rbegin(); at != folders_.rend(); ++at) {
    const Result<UniqueFd> folder = open_beneath(root_, at->first, O_RDONLY | O_DIRECTORY);
    if (!folder && folder.error().code == Code::kNotFound) continue;
    if (!folder) return folder.error();
    TRY(set_attributes(folder->get(), at->second));
  }
  folders_.clear();
  return ok();
}

}  // namespace devrun::storage
