#include "controller/storage/attributes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/tree/stat_values.h"

namespace devrun::storage {

namespace {

// By the descriptor's own link in /proc, which works for O_PATH too and leads to the object itself.
Status set_xattrs(const std::string& self, const tree::Entry& entry) {
  const ssize_t size = ::listxattr(self.c_str(), nullptr, 0);
  if (size < 0 && (errno == ENOTSUP || errno == EPERM)) return ok();
  if (size < 0) return errno_error("list xattrs", errno);
  std::string names(static_cast<size_t>(size), '\0');
  const ssize_t got = ::listxattr(self.c_str(), names.data(), names.size());
  if (got < 0) return errno_error("list xattrs", errno);
  names.resize(static_cast<size_t>(got));
  for (size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
    const std::string name(names.c_str() + at);
    const bool wanted = std::ranges::any_of(
        entry.xattrs, [&](const tree::Xattr& xattr) { return xattr.name == name; });
    if (wanted || name.starts_with("btrfs.")) continue;
    if (::removexattr(self.c_str(), name.c_str()) != 0 && errno != ENODATA) {
      return errno_error(fmt::format("remove xattr {}", name), errno);
    }
  }
  for (const tree::Xattr& xattr : entry.xattrs) {
    if (::setxattr(self.c_str(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) !=
        0) {
      return errno_error(fmt::format("set xattr {}", xattr.name), errno);
    }
  }
  return ok();
}

}  // namespace

// The owner first: changing it drops setuid bits and capabilities.
Status set_attributes(int object, const tree::Entry& entry) {
  const std::string self = fmt::format("/proc/self/fd/{}", object);
  if (::fchownat(object, "", entry.uid, entry.gid, AT_EMPTY_PATH) != 0) {
    return errno_error("chown", errno);
  }
  TRY(set_xattrs(self, entry));
  if (entry.type != tree::EntryType::kSymlink && ::chmod(self.c_str(), entry.mode) != 0) {
    return errno_error("chmod", errno);
  }
  timespec times[2];
  times[0] = times[1] = tree::to_timespec(entry.mtime_ns);
  if (::utimensat(object, "", times, AT_EMPTY_PATH) != 0) return errno_error("utimens", errno);
  return ok();
}

}  // namespace devrun::storage
