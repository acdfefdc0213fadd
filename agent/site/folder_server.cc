#include "agent/site/folder_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stop_token>
#include <thread>
#include <vector>

#include "agent/site/handlers.h"

namespace devrun::site {

namespace {

constexpr size_t kFilesMax = 200'000;  // each a descriptor, and memory of the file system's
constexpr unsigned kThreadsMax = 32;
constexpr unsigned kWriteBytesMax = 1 << 20;

void begin(void*, fuse_conn_info* connection) {
  // A listing alone makes no entry known: each is a descriptor here.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
  // The file system takes setuid bits off where a user writes, as it does for that user anywhere.
  connection->want |= connection->capable & static_cast<unsigned>(FUSE_CAP_HANDLE_KILLPRIV);
  connection->max_write = kWriteBytesMax;
}

// Takes from the kernel what it has known longest, while there is too much of it.
void trim(const std::stop_token& stop, SiteNodes& nodes, fuse_session* session) {
  while (const auto name = nodes.wait_for_oldest(stop)) {
    const int failed = fuse_lowlevel_notify_inval_entry(session, name->parent, name->name.c_str(),
                                                        name->name.size());
    if (failed != 0) nodes.was_gone();
  }
}

size_t files_max() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::min<size_t>(kFilesMax, limit.rlim_cur / 2);
}

int loop(fuse_session* session) {
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(config, kThreadsMax);
  fuse_loop_cfg_set_idle_threads(config, kThreadsMax);
  const int failed = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  return failed;
}

}  // namespace

Status become(const SiteIdentity& who) {
  TRY(check_site_identity(who));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const std::vector<gid_t> groups(who.groups.begin(), who.groups.end());
  // The capabilities go with root's ids.
  if (::setgroups(groups.size(), groups.data()) != 0 ||
      ::setresgid(who.gid, who.gid, who.gid) != 0 || ::setresuid(who.uid, who.uid, who.uid) != 0 ||
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return errno_error(fmt::format("become {}", to_string(who)), errno);
  }
  return ok();
}

Status serve_folder(UniqueFd fuse, UniqueFd folder, const SiteIdentity& who, const Inside& inside) {
  ::umask(0);  // the caller's counts, and the kernel has taken it off already
  fuse_lowlevel_ops operations{};
  operations.init = begin;
  add_name_handlers(operations);
  add_open_handlers(operations);
  Served site{SiteNodes(std::move(folder), files_max()), who, inside};
  char name[] = "devrun-fs";
  char* words[] = {name, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, words);
  fuse_session* session = fuse_session_new(&arguments, &operations, sizeof operations, &site);
  if (session == nullptr) return Error{Code::kInternal, "libfuse made no session", {}};
  const std::string mounted = fmt::format("/dev/fd/{}", fuse.release());
  if (fuse_session_mount(session, mounted.c_str()) != 0) {
    fuse_session_destroy(session);
    return Error{Code::kInternal, "libfuse takes no mounted " + mounted, {}};
  }
  int failed = 0;
  {
    const std::jthread trimmer(
        [&](const std::stop_token& stop) { trim(stop, site.nodes, session); });
    failed = loop(session);
  }
  fuse_session_destroy(session);
  if (failed < 0) return errno_error("serve a folder", -failed);
  return ok();
}

}  // namespace devrun::site
