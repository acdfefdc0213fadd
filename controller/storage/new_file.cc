#include "controller/storage/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/tree/stat_values.h"
#include "controller/storage/attributes.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

using tree::EntryType;

Error not_created(const NewFile& file) {
  return errno_error("create " + shown_path(file.path), errno);
}

Error unwritable(const NewFile& file) {
  return {Code::kUnsupported, fmt::format("{} cannot be written there", shown_path(file.path)), {}};
}

}  // namespace

Result<UniqueFd> make_unnamed_file(const NewFile& file, Contents& contents, bool syncs) {
  UniqueFd out(::openat(file.folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!out) return not_created(file);
  TRY(contents.fill(out.get(), file.path, file.wanted));
  if (!set_attributes(out.get(), file.wanted)) return unwritable(file);
  if (syncs && ::fdatasync(out.get()) != 0) {
    return errno_error("write " + shown_path(file.path), errno);
  }
  return out;
}

int link_unnamed(int file, int folder, const std::string& name) {
  const std::string self = fmt::format("/proc/self/fd/{}", file);
  return ::linkat(AT_FDCWD, self.c_str(), folder, name.c_str(), AT_SYMLINK_FOLLOW);
}

Status make_special_file(const NewFile& file, const std::string& name) {
  const tree::Entry& wanted = file.wanted;
  const int made = wanted.type == EntryType::kSymlink
                       ? ::symlinkat(wanted.link_target.c_str(), file.folder, name.c_str())
                       : ::mknodat(file.folder, name.c_str(), tree::type_bits(wanted.type) | 0600,
                                   wanted.device);
  if (made != 0) return not_created(file);
  const UniqueFd object(::openat(file.folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!object) return not_created(file);
  if (set_attributes(object.get(), wanted)) return ok();
  ::unlinkat(file.folder, name.c_str(), 0);
  return unwritable(file);
}

}  // namespace devrun::storage
