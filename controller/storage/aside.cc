#include "controller/storage/aside.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/base/log.h"
#include "common/tree/stat_values.h"

namespace devrun::storage {

namespace {

// Whether what has that name is the version that we made, as we made it.
bool is_ours(int folder, const std::string& name, const tree::Entry& wanted, uint64_t inode) {
  const std::optional<struct stat> st = look(folder, name);
  if (!st || st->st_ino != inode) return false;
  return wanted.type != tree::EntryType::kRegular ||
         (static_cast<uint64_t>(st->st_size) == wanted.size &&
          tree::nanoseconds(st->st_mtim) == wanted.mtime_ns);
}

}  // namespace

std::optional<struct stat> look(int folder, const std::string& name) {
  struct stat st {};
  if (::fstatat(folder, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return st;
}

// Whether that is the file of the snapshot, untouched. A rename stamps ctime, so that it counts only
// before one.
bool is_still(const struct stat& st, const tree::Entry& entry, bool renamed) {
  return st.st_ino == entry.inode && (st.st_mode & S_IFMT) == tree::type_bits(entry.type) &&
         (entry.type == tree::EntryType::kDirectory ||
          (static_cast<uint64_t>(st.st_size) == entry.size &&
           tree::nanoseconds(st.st_mtim) == entry.mtime_ns)) &&
         (renamed || tree::nanoseconds(st.st_ctim) == entry.ctime_ns);
}

// A read lease is given only while nobody has the file open for writing, mappings included.
bool has_writer(int folder, const std::string& name) {
  const UniqueFd file(
      ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return errno != ENOENT;
  if (::fcntl(file.get(), F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(file.get(), F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN || errno == EBUSY;
}

// Somebody has removed the folder while we hold it.
bool is_gone(int folder) {
  struct stat st {};
  return ::fstat(folder, &st) == 0 && st.st_nlink == 0;
}

int exchange(const NamedPlace& place) {
  return ::renameat2(place.folder.get(), place.aside.c_str(), place.folder.get(),
                     place.name.c_str(), RENAME_EXCHANGE);
}

// An edited version of the volume's that cannot have its name back.
void keep_beside(const NamedPlace& place) {
  constexpr int kNamesTriedMax = 100;
  for (int i = 1; i <= kNamesTriedMax; ++i) {
    const std::string kept =
        fmt::format("{}.devrun-kept{}", place.name, i == 1 ? std::string() : fmt::format(".{}", i));
    if (::renameat2(place.folder.get(), place.aside.c_str(), place.folder.get(), kept.c_str(),
                    RENAME_NOREPLACE) == 0) {
      log::warning("a version of {} that was edited while it was replaced is kept as {}",
                   place.name, kept);
      return;
    }
    if (errno != EEXIST) return;  // it stays aside
  }
}

// Back to its name, or beside it.
void put_back(const NamedPlace& place) {
  if (::renameat2(place.folder.get(), place.aside.c_str(), place.folder.get(), place.name.c_str(),
                  RENAME_NOREPLACE) != 0) {
    keep_beside(place);
  }
}

// What was displaced has been edited: back to its name, and our version goes. Unless there, too,
// somebody has been at work in that moment: what they left is the newer.
void give_way(const NamedPlace& place, const tree::Entry& wanted, uint64_t ours) {
  const int folder = place.folder.get();
  if (!look(folder, place.name)) return put_back(place);
  if (!is_ours(folder, place.name, wanted, ours)) return keep_beside(place);
  if (exchange(place) != 0) return put_back(place);
  if (is_ours(folder, place.aside, wanted, ours)) {
    ::unlinkat(folder, place.aside.c_str(), 0);
    return;
  }
  if (exchange(place) != 0) return;
  keep_beside(place);
}

}  // namespace devrun::storage
