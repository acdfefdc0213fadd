#include "controller/storage/snapshot_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/utf8.h"
#include "common/tree/stat_values.h"

namespace devrun::storage {

namespace {

constexpr size_t kDirentBufferBytes = 64 << 10;
constexpr size_t kDirentBytesAtOnceMax = size_t{256} << 20;
constexpr size_t kLinkTargetBytesMax = 4096;
constexpr size_t kPathStepBytesMax = 4000;  // the kernel takes 4095
constexpr size_t kShownBytesMax = 300;
// Of one file; a manifest, which has the root's, is at most 4 MiB.
constexpr size_t kXattrBytesMax = size_t{1} << 20;

Result<tree::EntryType> type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return tree::EntryType::kRegular;
    case S_IFDIR:
      return tree::EntryType::kDirectory;
    case S_IFLNK:
      return tree::EntryType::kSymlink;
    case S_IFCHR:
      return tree::EntryType::kCharacterDevice;
    case S_IFBLK:
      return tree::EntryType::kBlockDevice;
    case S_IFIFO:
      return tree::EntryType::kFifo;
    case S_IFSOCK:
      return tree::EntryType::kSocket;
    default:
      return Error{Code::kUnsupported, fmt::format("file type {:o}", mode & S_IFMT), {}};
  }
}

void append_names(const char* begin, size_t bytes, std::vector<NameAndInode>& out) {
  for (const char* at = begin; at < begin + bytes;) {
    const auto* entry = reinterpret_cast<const dirent64*>(at);
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") out.push_back({std::string(name), entry->d_ino});
    at += entry->d_reclen;
  }
}

void sort_by_name(std::vector<NameAndInode>& names) {
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

Result<UniqueFd> open_step(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const char* const name = path.empty() ? "." : path.c_str();
  const long fd = ::syscall(SYS_openat2, root, name, &how, sizeof how);
  if (fd < 0) return errno_error("open " + shown_path(path), errno);
  return UniqueFd(static_cast<int>(fd));
}

// Bytes of the UTF-8 character that `text` begins with; 0 if it is none, or a control character.
size_t printable_prefix(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text.front());
  const size_t bytes = code_point_bytes(text);
  const bool control = lead < 0x20 || lead == 0x7f ||
                       (bytes == 2 && lead == 0xc2 && static_cast<uint8_t>(text[1]) < 0xa0);
  return control ? 0 : bytes;
}

Error too_many_xattrs(std::string_view limit) {
  return Error{Code::kUnsupported, fmt::format("it has extended attributes of more than {}", limit),
               "remove some of them, with setfattr -x"};
}

// `list` and `get` are as llistxattr and lgetxattr, of one object.
template <typename List, typename Get>
Status read_xattrs_by(const List& list, const Get& get, tree::Entry& entry) {
  const ssize_t size = list(nullptr, 0);
  if (size < 0 && errno == ENOTSUP) return ok();
  if (size < 0) return errno_error("list xattrs", errno);
  if (size == 0) return ok();
  if (size > XATTR_LIST_MAX) return too_many_xattrs("64 KiB of names");
  std::string names(static_cast<size_t>(size), '\0');
  if (list(names.data(), names.size()) != size) return errno_error("list xattrs", errno);
  size_t total = 0;
  for (size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
    const std::string name(names.c_str() + at);
    // Properties of the file system (compression), which no other one can set.
    if (name.starts_with("btrfs.")) continue;
    const ssize_t bytes = get(name.c_str(), nullptr, 0);
    if (bytes < 0) return errno_error(fmt::format("read xattr {}", name), errno);
    total += static_cast<size_t>(bytes);
    if (total > kXattrBytesMax) return too_many_xattrs("1 MiB");
    std::string value(static_cast<size_t>(bytes), '\0');
    if (get(name.c_str(), value.data(), value.size()) != bytes) {
      return errno_error(fmt::format("read xattr {}", name), errno);
    }
    entry.xattrs.push_back({name, std::move(value)});
  }
  std::sort(entry.xattrs.begin(), entry.xattrs.end());
  return ok();
}

// By the entry's path: there is no *xattrat before kernel 6.13.
Status read_xattrs(const std::string& path, tree::Entry& entry) {
  const auto list = [&](char* to, size_t bytes) { return ::llistxattr(path.c_str(), to, bytes); };
  const auto get = [&](const char* name, char* to, size_t bytes) {
    return ::lgetxattr(path.c_str(), name, to, bytes);
  };
  return read_xattrs_by(list, get, entry);
}

}  // namespace

Status read_xattrs(int file, tree::Entry& entry) {
  const auto list = [&](char* to, size_t bytes) { return ::flistxattr(file, to, bytes); };
  const auto get = [&](const char* name, char* to, size_t bytes) {
    return ::fgetxattr(file, name, to, bytes);
  };
  return read_xattrs_by(list, get, entry);
}

// A nested subvolume's stand-in has the attributes of the moment; a mount point must be the same in
// every walk.
tree::Entry mount_point_entry(const std::string& name, const tree::Lineage& lineage) {
  tree::Entry out;
  out.name = name;
  out.type = tree::EntryType::kMountPoint;
  out.mode = 0755;
  out.lineage = lineage;
  return out;
}

Result<UniqueFd> open_beneath(int root, const std::string& path, int flags) {
  std::string_view rest = path;
  UniqueFd at;
  while (rest.size() > kPathStepBytesMax) {
    const size_t end = rest.rfind('/', kPathStepBytesMax);
    at = TRY(
        open_step(at ? at.get() : root, std::string(rest.substr(0, end)), O_PATH | O_DIRECTORY));
    rest.remove_prefix(end + 1);
  }
  return open_step(at ? at.get() : root, std::string(rest), flags);
}

Result<std::vector<NameAndInode>> read_names(int folder) {
  std::vector<NameAndInode> out;
  thread_local const auto buffer =
      std::make_unique<uint64_t[]>(kDirentBufferBytes / sizeof(uint64_t));
  for (;;) {
    const ssize_t n = ::getdents64(folder, buffer.get(), kDirentBufferBytes);
    if (n < 0) return errno_error("list a folder", errno);
    if (n == 0) break;
    append_names(reinterpret_cast<const char*>(buffer.get()), static_cast<size_t>(n), out);
  }
  sort_by_name(out);
  return out;
}

// One getdents is atomic, since the kernel holds the folder's lock through it: a rename is seen
// wholly or not at all.
Result<std::vector<NameAndInode>> read_names_at_once(int folder) {
  struct stat before {};
  if (::fstat(folder, &before) != 0) return errno_error("stat", errno);
  const size_t bytes =
      std::min(kDirentBufferBytes + 4 * static_cast<size_t>(before.st_size), kDirentBytesAtOnceMax);
  const auto buffer = std::make_unique_for_overwrite<uint64_t[]>(bytes / sizeof(uint64_t) + 1);
  std::vector<NameAndInode> out;
  for (int calls = 0;; ++calls) {
    const ssize_t n = ::getdents64(folder, buffer.get(), bytes);
    if (n < 0) return errno_error("list a folder", errno);
    if (n > 0) {
      append_names(reinterpret_cast<const char*>(buffer.get()), static_cast<size_t>(n), out);
      continue;
    }
    if (calls <= 1) break;
    struct stat after {};
    if (::fstat(folder, &after) != 0) return errno_error("stat", errno);
    if (tree::nanoseconds(before.st_ctim) == tree::nanoseconds(after.st_ctim)) break;
    return Error{Code::kConflict, "the folder changed while it was listed", {}};
  }
  sort_by_name(out);
  return out;
}

Result<tree::Entry> entry_of_stat(const struct stat& st, const std::string& name,
                                  const tree::Lineage& lineage) {
  tree::Entry out;
  out.name = name;
  out.type = TRY(type_of(st.st_mode));
  out.mode = st.st_mode & 07777;
  out.uid = st.st_uid;
  out.gid = st.st_gid;
  out.mtime_ns = tree::nanoseconds(st.st_mtim);
  out.ctime_ns = tree::nanoseconds(st.st_ctim);
  out.inode = st.st_ino;
  out.lineage = lineage;
  if (out.type == tree::EntryType::kRegular) {
    out.size = static_cast<uint64_t>(st.st_size);
    out.links = static_cast<uint32_t>(st.st_nlink);
  } else if (out.type == tree::EntryType::kCharacterDevice ||
             out.type == tree::EntryType::kBlockDevice) {
    out.device = st.st_rdev;
  }
  return out;
}

Result<tree::Entry> read_entry(int folder, const std::string& name, const tree::Lineage& lineage) {
  struct stat st {};
  if (::fstatat(folder, name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
    return errno_error("stat", errno);
  }
  if (st.st_ino == kNestedSubvolumeInode) return mount_point_entry(name, lineage);
  tree::Entry out = TRY(entry_of_stat(st, name, lineage));
  if (out.type == tree::EntryType::kSymlink) {
    out.link_target.resize(kLinkTargetBytesMax);
    const ssize_t n =
        ::readlinkat(folder, name.c_str(), out.link_target.data(), kLinkTargetBytesMax);
    if (n < 0) return errno_error("read link", errno);
    out.link_target.resize(static_cast<size_t>(n));
    out.size = out.link_target.size();
  }
  TRY(read_xattrs(fmt::format("/proc/self/fd/{}/{}", folder, name), out));
  return out;
}

std::string shown_path(const std::string& path) {
  std::string out = "/";
  std::string_view rest = path;
  if (rest.size() > kShownBytesMax) {
    out += "…";
    rest.remove_prefix(rest.size() - kShownBytesMax);
  }
  while (!rest.empty()) {
    const size_t good = printable_prefix(rest);
    if (good > 0) {
      out += rest.substr(0, good);
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint8_t>(rest.front()));
    }
    rest.remove_prefix(std::max<size_t>(good, 1));
  }
  return out;
}

}  // namespace devrun::storage
