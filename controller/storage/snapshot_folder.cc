#include "controller/storage/snapshot_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace devrun::storage {

namespace {

constexpr size_t kDirentBufferBytes = 64 << 10;
constexpr size_t kLinkTargetBytesMax = 4096;

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

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

// The attributes live in the object's own path: there is no *xattrat before kernel 6.13.
Status read_xattrs(const std::string& path, tree::Entry& entry) {
  const ssize_t size = ::llistxattr(path.c_str(), nullptr, 0);
  if (size < 0 && errno == ENOTSUP) return ok();
  if (size < 0) return errno_error("list xattrs", errno);
  if (size == 0) return ok();
  std::string names(static_cast<size_t>(size), '\0');
  if (::llistxattr(path.c_str(), names.data(), names.size()) != size) {
    return errno_error("list xattrs", errno);
  }
  for (size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
    const std::string name(names.c_str() + at);
    // Properties of the file system (compression), which no other one can set.
    if (name.starts_with("btrfs.")) continue;
    const ssize_t bytes = ::lgetxattr(path.c_str(), name.c_str(), nullptr, 0);
    if (bytes < 0) return errno_error(fmt::format("read xattr {}", name), errno);
    std::string value(static_cast<size_t>(bytes), '\0');
    if (::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size()) != bytes) {
      return errno_error(fmt::format("read xattr {}", name), errno);
    }
    entry.xattrs.push_back({name, std::move(value)});
  }
  std::sort(entry.xattrs.begin(), entry.xattrs.end());
  return ok();
}

// A nested subvolume's stand-in has the attributes of the moment; a mount point must be the same in
// every walk.
tree::Entry mount_point(const std::string& name, const tree::Lineage& lineage) {
  tree::Entry out;
  out.name = name;
  out.type = tree::EntryType::kMountPoint;
  out.mode = 0755;
  out.lineage = lineage;
  return out;
}

}  // namespace

Result<UniqueFd> open_beneath(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* const name = path.empty() ? "." : path.c_str();
  const long fd = ::syscall(SYS_openat2, root, name, &how, sizeof how);
  if (fd < 0) return errno_error(fmt::format("open /{}", path), errno);
  return UniqueFd(static_cast<int>(fd));
}

Result<std::vector<NameAndInode>> read_names(int folder) {
  std::vector<NameAndInode> out;
  thread_local const auto buffer =
      std::make_unique<uint64_t[]>(kDirentBufferBytes / sizeof(uint64_t));
  for (;;) {
    const ssize_t n = ::getdents64(folder, buffer.get(), kDirentBufferBytes);
    if (n < 0) return errno_error("list a folder", errno);
    if (n == 0) break;
    const char* const begin = reinterpret_cast<const char*>(buffer.get());
    for (const char* at = begin; at < begin + n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(at);
      const std::string_view name(entry->d_name);
      if (name != "." && name != "..") out.push_back({std::string(name), entry->d_ino});
      at += entry->d_reclen;
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

Result<tree::Entry> read_entry(int folder, const std::string& name, const tree::Lineage& lineage) {
  struct stat st {};
  if (::fstatat(folder, name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
    return errno_error("stat", errno);
  }
  if (st.st_ino == kNestedSubvolumeInode) return mount_point(name, lineage);
  tree::Entry out;
  out.name = name;
  out.type = TRY(type_of(st.st_mode));
  out.mode = st.st_mode & 07777;
  out.uid = st.st_uid;
  out.gid = st.st_gid;
  out.mtime_ns = nanoseconds(st.st_mtim);
  out.ctime_ns = nanoseconds(st.st_ctim);
  out.inode = st.st_ino;
  out.lineage = lineage;
  if (out.type == tree::EntryType::kRegular) {
    out.size = static_cast<uint64_t>(st.st_size);
    out.links = static_cast<uint32_t>(st.st_nlink);
  } else if (out.type == tree::EntryType::kCharacterDevice ||
             out.type == tree::EntryType::kBlockDevice) {
    out.device = st.st_rdev;
  } else if (out.type == tree::EntryType::kSymlink) {
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

}  // namespace devrun::storage
