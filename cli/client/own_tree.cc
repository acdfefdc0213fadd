#include "cli/client/own_tree.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/file.h"

namespace devrun::cli {

Status send_what_is_written(const std::string& root) {
  struct statfs about {};
  if (::statfs(root.c_str(), &about) != 0 || about.f_type != NFS_SUPER_MAGIC) return ok();
  const UniqueFd fd = TRY(open_file(root, O_RDONLY | O_DIRECTORY));
  if (::syncfs(fd.get()) == 0) return ok();
  Error error = errno_error("what was written here could not be sent to the store", errno);
  error.hint = "df -h /";
  return error;
}

}  // namespace devrun::cli
