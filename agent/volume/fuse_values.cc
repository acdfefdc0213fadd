#include "agent/volume/fuse_values.h"

#include <cerrno>

namespace devrun::volume {

namespace {

mode_t file_type(tree::EntryType type) {
  switch (type) {
    case tree::EntryType::kRegular:
      return S_IFREG;
    case tree::EntryType::kDirectory:
    case tree::EntryType::kMountPoint:
      return S_IFDIR;
    case tree::EntryType::kSymlink:
      return S_IFLNK;
    case tree::EntryType::kCharacterDevice:
      return S_IFCHR;
    case tree::EntryType::kBlockDevice:
      return S_IFBLK;
    case tree::EntryType::kFifo:
      return S_IFIFO;
    case tree::EntryType::kSocket:
      return S_IFSOCK;
  }
  return S_IFREG;
}

timespec timespec_of(int64_t ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = ns / kSecond;
  if (ns % kSecond < 0) seconds -= 1;
  return {seconds, ns - seconds * kSecond};
}

}  // namespace

int errno_of(const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
      return ENOENT;
    case Code::kInvalid:
      return EINVAL;
    case Code::kExhausted:
      return ENOMEM;
    case Code::kCancelled:
      return EINTR;
    default:
      return EIO;
  }
}

struct stat stat_of(const Attributes& attributes) {
  struct stat out {};
  out.st_ino = attributes.inode;
  out.st_mode = file_type(attributes.type) | attributes.mode;
  out.st_nlink = attributes.links;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_rdev = attributes.device;
  out.st_size = static_cast<off_t>(attributes.size);
  out.st_blksize = 4096;
  out.st_blocks = static_cast<blkcnt_t>((attributes.size + 511) / 512);
  out.st_mtim = timespec_of(attributes.mtime_ns);
  out.st_atim = out.st_mtim;
  out.st_ctim = timespec_of(attributes.ctime_ns);
  return out;
}

struct stat root_stat() {
  Attributes root;
  root.mode = 0755;
  root.inode = kRootNode;
  return stat_of(root);
}

fuse_entry_param entry_param(NodeId node, const Attributes& attributes) {
  fuse_entry_param out{};
  out.ino = node;
  out.attr = stat_of(attributes);
  out.attr_timeout = kForEverSeconds;
  out.entry_timeout = kForEverSeconds;
  return out;
}

fuse_entry_param missing_for_ever() {
  fuse_entry_param out{};
  out.entry_timeout = kForEverSeconds;
  return out;
}

}  // namespace devrun::volume
