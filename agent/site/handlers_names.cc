// Names and attributes of a served folder: what is asked of entries that need not be open.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <string_view>
#include <vector>

#include "agent/site/handlers.h"

namespace devrun::site {

namespace {

constexpr uint32_t kNobody = 65534;

uint32_t shown(uint32_t id, uint32_t own, uint32_t inside) {
  if (id == own) return inside;
  return id == inside ? kNobody : id;
}

void answer(fuse_req_t request, int result) {
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

bool is_a_name(const char* name) {
  const std::string_view text(name);
  return !text.empty() && text != "." && text != ".." && text.find('/') == text.npos;
}

// With both entries known and the name fit for one, or answered.
template <typename Work>
void with_name(fuse_req_t request, fuse_ino_t parent, const char* name, Work work) {
  const auto folder = node_of(request, parent);
  if (!folder) return;
  if (!is_a_name(name)) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  work(folder->fd.get());
}

void look_up(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer_entry(request, parent, name);
}

void forget(fuse_req_t request, fuse_ino_t number, uint64_t lookups) {
  served(request).nodes.forget(number, lookups);
  fuse_reply_none(request);
}

void forget_many(fuse_req_t request, size_t count, fuse_forget_data* which) {
  for (size_t i = 0; i < count; ++i) served(request).nodes.forget(which[i].ino, which[i].nlookup);
  fuse_reply_none(request);
}

void answer_attributes(fuse_req_t request, int fd) {
  struct stat about {};
  if (::fstatat(fd, "", &about, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  served(request).show(about);
  fuse_reply_attr(request, &about, kBelievedSeconds);
}

void get_attributes(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  const auto node = node_of(request, number);
  if (node) answer_attributes(request, node->fd.get());
}

timespec time_of(const timespec& given, bool set, bool now) {
  timespec out = given;
  if (!set) out.tv_nsec = UTIME_OMIT;
  if (set && now) out.tv_nsec = UTIME_NOW;
  return out;
}

int change_attributes(const Served& site, int fd, const struct stat& to, int what,
                      const fuse_file_info* open) {
  const std::string link = link_to(fd);
  if ((what & FUSE_SET_ATTR_MODE) != 0 && ::chmod(link.c_str(), to.st_mode & 07777) != 0) return -1;
  if ((what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
    const auto uid = (what & FUSE_SET_ATTR_UID) != 0 ? site.uid_outside(to.st_uid) : uid_t(-1);
    const auto gid = (what & FUSE_SET_ATTR_GID) != 0 ? site.gid_outside(to.st_gid) : gid_t(-1);
    if (::fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) return -1;
  }
  if ((what & FUSE_SET_ATTR_SIZE) != 0) {
    const int done = open != nullptr ? ::ftruncate(static_cast<int>(open->fh), to.st_size)
                                     : ::truncate(link.c_str(), to.st_size);
    if (done != 0) return -1;
  }
  if ((what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) == 0) return 0;
  const timespec times[2] = {
      time_of(to.st_atim, (what & FUSE_SET_ATTR_ATIME) != 0, (what & FUSE_SET_ATTR_ATIME_NOW) != 0),
      time_of(to.st_mtim, (what & FUSE_SET_ATTR_MTIME) != 0,
              (what & FUSE_SET_ATTR_MTIME_NOW) != 0)};
  // The link below /proc is followed once, so that of a symbolic link the times are its own.
  return ::utimensat(AT_FDCWD, link.c_str(), times, 0);
}

void set_attributes(fuse_req_t request, fuse_ino_t number, struct stat* to, int what,
                    fuse_file_info* open) {
  const auto node = node_of(request, number);
  if (!node) return;
  if (change_attributes(served(request), node->fd.get(), *to, what, open) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  answer_attributes(request, node->fd.get());
}

void read_link(fuse_req_t request, fuse_ino_t number) {
  const auto node = node_of(request, number);
  if (!node) return;
  char target[PATH_MAX + 1];
  const ssize_t n = ::readlinkat(node->fd.get(), "", target, PATH_MAX);
  if (n < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  target[n] = '\0';
  fuse_reply_readlink(request, target);
}

void make_node(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  with_name(request, parent, name, [&](int folder) {
    const mode_t kind = mode & S_IFMT;
    if (kind != S_IFREG && kind != S_IFIFO && kind != S_IFSOCK) {
      fuse_reply_err(request, EPERM);
      return;
    }
    if (::mknodat(folder, name, mode, 0) != 0) {
      fuse_reply_err(request, errno);
      return;
    }
    answer_entry(request, parent, name);
  });
}

void make_folder(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  with_name(request, parent, name, [&](int folder) {
    if (::mkdirat(folder, name, mode) != 0) {
      fuse_reply_err(request, errno);
      return;
    }
    answer_entry(request, parent, name);
  });
}

void make_link(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  with_name(request, parent, name, [&](int folder) {
    if (::symlinkat(target, folder, name) != 0) {
      fuse_reply_err(request, errno);
      return;
    }
    answer_entry(request, parent, name);
  });
}

void add_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char* name) {
  const auto node = node_of(request, number);
  if (!node) return;
  with_name(request, parent, name, [&](int folder) {
    const std::string link = link_to(node->fd.get());
    if (::linkat(AT_FDCWD, link.c_str(), folder, name, AT_SYMLINK_FOLLOW) != 0) {
      fuse_reply_err(request, errno);
      return;
    }
    answer_entry(request, parent, name);
  });
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  with_name(request, parent, name,
            [&](int folder) { answer(request, ::unlinkat(folder, name, 0)); });
}

void remove_folder(fuse_req_t request, fuse_ino_t parent, const char* name) {
  with_name(request, parent, name,
            [&](int folder) { answer(request, ::unlinkat(folder, name, AT_REMOVEDIR)); });
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t to_parent,
            const char* to_name, unsigned flags) {
  with_name(request, parent, name, [&](int folder) {
    with_name(request, to_parent, to_name,
              [&](int to) { answer(request, ::renameat2(folder, name, to, to_name, flags)); });
  });
}

void about_file_system(fuse_req_t request, fuse_ino_t number) {
  const auto node = node_of(request, number);
  if (!node) return;
  struct statvfs about {};
  if (::fstatvfs(node->fd.get(), &about) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fuse_reply_statfs(request, &about);
}

void check_access(fuse_req_t request, fuse_ino_t number, int mask) {
  const auto node = node_of(request, number);
  if (node) answer(request, ::access(link_to(node->fd.get()).c_str(), mask));
}

// Asked of each file before a write; users' files have none that count here.
bool is_capability(const char* name) {
  return std::string_view(name) == "security.capability";
}

// `n`: as the system call said. An empty buffer asks for the size alone.
void answer_bytes(fuse_req_t request, const std::vector<char>& buffer, ssize_t n) {
  if (n < 0) {
    fuse_reply_err(request, errno);
  } else if (buffer.empty()) {
    fuse_reply_xattr(request, static_cast<size_t>(n));
  } else {
    fuse_reply_buf(request, buffer.data(), static_cast<size_t>(n));
  }
}

void get_xattr(fuse_req_t request, fuse_ino_t number, const char* name, size_t size) {
  if (is_capability(name)) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  const auto node = node_of(request, number);
  if (!node) return;
  std::vector<char> value(size);
  const ssize_t n = ::getxattr(link_to(node->fd.get()).c_str(), name, value.data(), size);
  answer_bytes(request, value, n);
}

void list_xattrs(fuse_req_t request, fuse_ino_t number, size_t size) {
  const auto node = node_of(request, number);
  if (!node) return;
  std::vector<char> names(size);
  const ssize_t n = ::listxattr(link_to(node->fd.get()).c_str(), names.data(), size);
  answer_bytes(request, names, n);
}

void set_xattr(fuse_req_t request, fuse_ino_t number, const char* name, const char* value,
               size_t size, int flags) {
  const auto node = node_of(request, number);
  if (!node) return;
  answer(request, ::setxattr(link_to(node->fd.get()).c_str(), name, value, size, flags));
}

void remove_xattr(fuse_req_t request, fuse_ino_t number, const char* name) {
  const auto node = node_of(request, number);
  if (node) answer(request, ::removexattr(link_to(node->fd.get()).c_str(), name));
}

}  // namespace

void Served::show(struct stat& about) const {
  about.st_uid = shown(about.st_uid, who.uid, inside.uid);
  about.st_gid = shown(about.st_gid, who.gid, inside.gid);
}

Served& served(fuse_req_t request) {
  return *static_cast<Served*>(fuse_req_userdata(request));
}

std::shared_ptr<const Node> node_of(fuse_req_t request, fuse_ino_t number) {
  auto out = served(request).nodes.find(number);
  if (!out) fuse_reply_err(request, ESTALE);
  return out;
}

std::string link_to(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

bool answer_entry(fuse_req_t request, fuse_ino_t parent, const char* name,
                  const fuse_file_info* open) {
  Served& site = served(request);
  const auto folder = node_of(request, parent);
  if (!folder) return false;
  UniqueFd fd(is_a_name(name) ? ::openat(folder->fd.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
                              : -1);
  fuse_entry_param entry{};
  if (!fd || ::fstatat(fd.get(), "", &entry.attr, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    fuse_reply_err(request, is_a_name(name) ? errno : ENOENT);
    return false;
  }
  entry.ino = site.nodes.add(parent, name, std::move(fd), entry.attr);
  entry.attr_timeout = entry.entry_timeout = kBelievedSeconds;
  site.show(entry.attr);
  const int told = open != nullptr ? fuse_reply_create(request, &entry, open)
                                   : fuse_reply_entry(request, &entry);
  // Interrupted: the kernel has not counted it.
  if (told == -ENOENT) site.nodes.forget(entry.ino, 1);
  return told != -ENOENT;
}

void add_name_handlers(fuse_lowlevel_ops& operations) {
  operations.lookup = look_up;
  operations.forget = forget;
  operations.forget_multi = forget_many;
  operations.getattr = get_attributes;
  operations.setattr = set_attributes;
  operations.readlink = read_link;
  operations.mknod = make_node;
  operations.mkdir = make_folder;
  operations.symlink = make_link;
  operations.link = add_link;
  operations.unlink = unlink;
  operations.rmdir = remove_folder;
  operations.rename = rename;
  operations.statfs = about_file_system;
  operations.access = check_access;
  operations.getxattr = get_xattr;
  operations.listxattr = list_xattrs;
  operations.setxattr = set_xattr;
  operations.removexattr = remove_xattr;
}

}  // namespace devrun::site
