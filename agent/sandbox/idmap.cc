#include "agent/sandbox/idmap.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

std::string lines_of(const std::vector<IdPair>& pairs) {
  std::string out;
  for (const IdPair& pair : pairs) out += fmt::format("{} {} 1\n", pair.outside, pair.inside);
  return out;
}

// Its only process, which does nothing, and ends with its maker.
class Holder {
 public:
  Holder() {
    pid_ = static_cast<pid_t>(
        ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  }
  ~Holder() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

// The kernel takes a map in one write.
Status write_map(const std::string& path, const std::vector<IdPair>& pairs) {
  const UniqueFd file = TRY(open_file(path, O_WRONLY));
  const std::string lines = lines_of(pairs);
  const ssize_t n = ::write(file.get(), lines.data(), lines.size());
  if (n != static_cast<ssize_t>(lines.size())) return errno_error("write " + path, errno);
  return ok();
}

Result<UniqueFd> user_namespace_of(const IdMap& map) {
  const Holder holder;
  if (holder.pid() < 0 && (errno == ENOSPC || errno == EUSERS)) {
    return Error{Code::kUnsupported,
                 "this node makes no user namespaces, which folders of the site need",
                 "sysctl user.max_user_namespaces"};
  }
  if (holder.pid() < 0) return errno_error("make a user namespace", errno);
  const std::string process = fmt::format("/proc/{}", holder.pid());
  TRY(write_map(process + "/uid_map", map.uids));
  TRY(write_map(process + "/gid_map", map.gids));
  return open_file(process + "/ns/user", O_RDONLY);
}

}  // namespace

IdMap site_id_map(const SiteIdentity& who, uint32_t uid, uint32_t gid) {
  IdMap out{{{who.uid, uid}}, {{who.gid, gid}}};
  for (const uint32_t group : who.groups) {
    // The number of the own group is free then.
    out.gids.push_back({group, group == gid ? who.gid : group});
  }
  return out;
}

Status map_ids(int mount, const IdMap& map) {
  const UniqueFd space = TRY(user_namespace_of(map));
  mount_attr wanted{};
  wanted.attr_set = MOUNT_ATTR_IDMAP;
  wanted.userns_fd = static_cast<uint64_t>(space.get());
  if (::mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted, sizeof wanted) == 0) {
    return ok();
  }
  if (errno == EINVAL || errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) {
    return Error{Code::kUnsupported, "its file system cannot give users other ids", {}};
  }
  return errno_error("map the ids of a mount", errno);
}

}  // namespace devrun::sandbox
