#include "agent/volume/fuse_values.h"

#include <cerrno>

#include "common/tree/stat_values.h"

namespace devrun::volume {

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
  out.st_mode = tree::type_bits(attributes.type) | attributes.mode;
  out.st_nlink = attributes.links;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_rdev = attributes.device;
  out.st_size = static_cast<off_t>(attributes.size);
  out.st_blksize = 4096;
  out.st_blocks = static_cast<blkcnt_t>((attributes.size + 511) / 512);
  out.st_mtim = tree::to_timespec(attributes.mtime_ns);
  out.st_atim = out.st_mtim;
  out.st_ctim = tree::to_timespec(attributes.ctime_ns);
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
