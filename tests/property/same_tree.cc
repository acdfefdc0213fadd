#include "tests/property/same_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <set>

#include "common/runtime/fd.h"

namespace devrun::property {

namespace {

using tree::EntryType;

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

EntryType type_of(mode_t mode) {
  static const std::map<mode_t, EntryType> kTypes = {
      {S_IFREG, EntryType::kRegular},     {S_IFDIR, EntryType::kDirectory},
      {S_IFLNK, EntryType::kSymlink},     {S_IFCHR, EntryType::kCharacterDevice},
      {S_IFBLK, EntryType::kBlockDevice}, {S_IFIFO, EntryType::kFifo},
      {S_IFSOCK, EntryType::kSocket},
  };
  return kTypes.at(mode & S_IFMT);
}

std::map<std::string, std::string> xattrs_of(const std::string& path) {
  std::map<std::string, std::string> out;
  std::string names(64 << 10, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  EXPECT_GE(size, 0) << path;
  for (size_t at = 0; at < static_cast<size_t>(std::max<ssize_t>(size, 0));) {
    const std::string name(names.c_str() + at);
    at += name.size() + 1;
    if (name.starts_with("btrfs.")) continue;
    std::string value(64 << 10, '\0');
    const ssize_t bytes = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    EXPECT_GE(bytes, 0) << name;
    value.resize(static_cast<size_t>(std::max<ssize_t>(bytes, 0)));
    out[name] = value;
  }
  return out;
}

class Comparison {
 public:
  explicit Comparison(volume::Vfs& vfs) : vfs_(vfs) {}

  size_t entries() const { return entries_; }

  void folder(int fd, volume::NodeId node, const std::string& where) {
    std::set<std::string> shown;
    const Status listed = vfs_.list(node, 0, false, [&](const volume::Listed& entry) {
      if (entry.name != "." && entry.name != "..") shown.emplace(entry.name);
      return true;
    });
    EXPECT_TRUE(listed) << where;
    std::set<std::string> there;
    DIR* const stream = ::fdopendir(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_NE(stream, nullptr) << where;
    while (const dirent* const entry = ::readdir(stream)) {
      const std::string name(entry->d_name);
      if (name != "." && name != "..") there.insert(name);
    }
    ::closedir(stream);
    EXPECT_EQ(shown, there) << where;
    for (const std::string& name : there) {
      if (shown.contains(name)) entry(fd, node, name, where);
    }
  }

 private:
  void entry(int fd, volume::NodeId parent, const std::string& name, const std::string& where) {
    ++entries_;
    const std::string path = where.size() < 300 ? where + "/" + name : where;
    const auto found = vfs_.lookup(parent, name);
    ASSERT_TRUE(found && *found) << path;
    const volume::NodeId node = (**found).node;
    struct stat st {};
    ASSERT_EQ(::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW), 0) << path;
    attributes(**found, st, path);
    std::map<std::string, std::string> shown;
    const auto xattrs = vfs_.xattrs(node);
    ASSERT_TRUE(xattrs) << path;
    for (const tree::Xattr& xattr : *xattrs) shown[xattr.name] = xattr.value;
    EXPECT_EQ(shown, xattrs_of(fmt::format("/proc/self/fd/{}/{}", fd, name))) << path;
    if (S_ISLNK(st.st_mode)) {
      std::string target(5000, '\0');
      target.resize(
          static_cast<size_t>(::readlinkat(fd, name.c_str(), target.data(), target.size())));
      EXPECT_EQ(*vfs_.link_target(node), target) << path;
    } else if (S_ISREG(st.st_mode)) {
      const UniqueFd file(::openat(fd, name.c_str(), O_RDONLY | O_CLOEXEC));
      bytes(node, file.get(), static_cast<size_t>(st.st_size), path);
    } else if (S_ISDIR(st.st_mode)) {
      const UniqueFd child(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      folder(child.get(), node, path);
    }
  }

  static void attributes(const volume::Found& found, const struct stat& st,
                         const std::string& path) {
    const volume::Attributes& shown = found.attributes;
    EXPECT_EQ(shown.type, type_of(st.st_mode)) << path;
    EXPECT_EQ(shown.mode, st.st_mode & 07777) << path;
    EXPECT_EQ(shown.uid, st.st_uid) << path;
    EXPECT_EQ(shown.gid, st.st_gid) << path;
    EXPECT_EQ(shown.mtime_ns, nanoseconds(st.st_mtim)) << path;
    EXPECT_EQ(shown.ctime_ns, nanoseconds(st.st_ctim)) << path;
    EXPECT_EQ(shown.inode, st.st_ino) << path;
    if (S_ISREG(st.st_mode)) {
      EXPECT_EQ(shown.links, st.st_nlink) << path;
    }
    if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) {
      EXPECT_EQ(shown.size, static_cast<uint64_t>(st.st_size)) << path;
    }
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
      EXPECT_EQ(shown.device, st.st_rdev) << path;
    }
  }

  void bytes(volume::NodeId node, int file, size_t size, const std::string& path) {
    std::string there(size, '\0');
    ASSERT_EQ(::pread(file, there.data(), size, 0), static_cast<ssize_t>(size)) << path;
    const auto slices = vfs_.read(node, 0, size + 10);
    ASSERT_TRUE(slices) << path << ": " << slices.error().message;
    std::string shown;
    for (const volume::Slice& slice : *slices) shown += slice.bytes;
    EXPECT_TRUE(shown == there) << path;
  }

  volume::Vfs& vfs_;
  size_t entries_ = 0;
};

}  // namespace

size_t expect_same(volume::Vfs& vfs, volume::NodeId root, const std::string& folder) {
  Comparison comparison(vfs);
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(fd) << folder;
  if (fd) comparison.folder(fd.get(), root, "");
  return comparison.entries();
}

}  // namespace devrun::property
