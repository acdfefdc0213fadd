#include "controller/storage/remove_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/fd.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

// Unlikely as a name of anybody's, and tried until it is free.
constexpr std::string_view kMovedUpPrefix = ".devrun-removing.";
constexpr int kNamesTriedMax = 1000;

Result<UniqueFd> open_folder(int parent, const std::string& name) {
  const int fd = ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno_error(fmt::format("open {}", name), errno);
  return UniqueFd(fd);
}

// Takes folders apart: `top` is where subfolders are moved to.
class Remover {
 public:
  explicit Remover(int top) : top_(top) {}

  // Empties the folder, but for what it moved to the top.
  Status empty(int folder) {
    for (const NameAndInode& entry : TRY(read_names(folder))) {
      if (::unlinkat(folder, entry.name.c_str(), 0) == 0 || errno == ENOENT) continue;
      // Linux says EISDIR; POSIX allows EPERM.
      if (errno != EISDIR && errno != EPERM) {
        return errno_error(fmt::format("delete {}", entry.name), errno);
      }
      if (::unlinkat(folder, entry.name.c_str(), AT_REMOVEDIR) == 0) continue;
      if (errno != ENOTEMPTY && errno != EEXIST) {
        return errno_error(fmt::format("delete {}", entry.name), errno);
      }
      if (folder != top_) TRY(move_up(folder, entry.name));
    }
    return ok();
  }

 private:
  Status move_up(int folder, const std::string& name) {
    for (int i = 0; i < kNamesTriedMax; ++i) {
      const std::string to = fmt::format("{}{}", kMovedUpPrefix, next_++);
      if (::renameat2(folder, name.c_str(), top_, to.c_str(), RENAME_NOREPLACE) == 0) return ok();
      if (errno != EEXIST) return errno_error(fmt::format("move {}", name), errno);
    }
    return Error{Code::kExhausted, fmt::format("no free name to move {} to", name), {}};
  }

  const int top_;
  uint64_t next_ = 0;
};

}  // namespace

Status remove_tree(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return ok();
  if (errno != EISDIR && errno != EPERM) return errno_error(fmt::format("delete {}", name), errno);
  const UniqueFd top = TRY(open_folder(parent, name));
  Remover remover(top.get());
  for (;;) {
    // Each round takes the folders apart that lie right below the top.
    TRY(remover.empty(top.get()));
    ::lseek(top.get(), 0, SEEK_SET);
    const std::vector<NameAndInode> left = TRY(read_names(top.get()));
    ::lseek(top.get(), 0, SEEK_SET);
    if (left.empty()) break;
    for (const NameAndInode& entry : left) {
      {
        const UniqueFd folder = TRY(open_folder(top.get(), entry.name));
        TRY(remover.empty(folder.get()));
      }
      if (::unlinkat(top.get(), entry.name.c_str(), AT_REMOVEDIR) != 0) {
        return errno_error(fmt::format("delete {}", entry.name), errno);
      }
    }
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) {
    return errno_error(fmt::format("delete {}", name), errno);
  }
  return ok();
}

}  // namespace devrun::storage
