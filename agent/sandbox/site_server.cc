#include "agent/sandbox/site_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cerrno>

#include "common/runtime/child.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr int kFuseNumber = 60;
constexpr int kFolderNumber = 61;
constexpr int kAboveThat = 200;
constexpr unsigned kReadBytesMax = 1 << 20;

Result<UniqueFd> open_above(const std::string& path, int flags) {
  const UniqueFd fd = TRY(open_file(path, flags));
  UniqueFd out(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kAboveThat));
  if (!out) return errno_error("duplicate a descriptor", errno);
  return out;
}

}  // namespace

Status serve_site_mount(const Options& options, const SiteMount& mount, const SiteIdentity& who,
                        const Caller& inside, const std::string& place, const std::string& log) {
  if (options.fs_program.empty()) {
    return Error{Code::kUnsupported, "its file system cannot give users other ids", {}};
  }
  // The folder itself and not a clone of its mount: what is mounted below it on demand appears there alone.
  const UniqueFd folder = TRY(open_above(mount.source, O_PATH | O_DIRECTORY));
  const UniqueFd fuse = TRY(open_above("/dev/fuse", O_RDWR));
  const unsigned long flags =
      MS_NOSUID | MS_NODEV | (mount.read_only ? static_cast<unsigned long>(MS_RDONLY) : 0UL);
  const std::string data =
      fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={}", fuse.get(),
                  kReadBytesMax);
  if (::mount("devrun-site", place.c_str(), "fuse", flags, data.c_str()) != 0) {
    return errno_error("mount what is to be at " + mount.target, errno);
  }
  // `--at` is for whoever looks at processes, `devrun down` among them.
  DaemonOptions daemon;
  daemon.argv = {options.fs_program,
                 "--as-user",
                 to_string(who),
                 "--inside",
                 fmt::format("{}:{}", inside.uid, inside.gid),
                 "--fuse-fd",
                 std::to_string(kFuseNumber),
                 "--folder-fd",
                 std::to_string(kFolderNumber),
                 "--at",
                 place};
  daemon.log_path = log;
  daemon.pass_fds = {{fuse.get(), kFuseNumber}, {folder.get(), kFolderNumber}};
  const pid_t first = TRY(start_daemon(daemon));
  int status = 0;
  while (::waitpid(first, &status, 0) < 0) {
    if (errno != EINTR) return errno_error("wait for devrun-fs", errno);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ok();
  return Error{Code::kInternal,
               fmt::format("devrun-fs does not serve {} as a user: see {}", mount.source, log),
               {}};
}

}  // namespace devrun::sandbox
