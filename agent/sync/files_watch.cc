#include "agent/sync/files_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/check.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/keeper_client.h"

namespace devrun::agent {

namespace {

constexpr int kTryAgainEveryMs = 100;

using Clock = std::chrono::steady_clock;

bool is_readable(const pollfd& polled) {
  return (polled.revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

}  // namespace

FilesWatch::FilesWatch(Options options, Tell tell)
    : options_(std::move(options)), tell_(std::move(tell)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  CHECK(stop_);
  Result<UniqueFd> process = find();
  if (!process) tell_("its devrun-fs is not there: " + process.error().message, false);
  thread_ = std::thread([this, fd = process ? process->release() : -1] { watch(UniqueFd(fd)); });
}

FilesWatch::~FilesWatch() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

Result<UniqueFd> FilesWatch::find() const {
  const UniqueFd socket = TRY(connect_unix(options_.control_socket));
  const PeerCredentials peer = TRY(peer_credentials(socket.get()));
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
  if (!process) return errno_error(fmt::format("watch process {}", peer.pid), errno);
  // The pid may have been given to somebody else in between; but then nobody answers any more.
  TRY(connect_unix(options_.control_socket));
  return process;
}

bool FilesWatch::pause() const {
  pollfd polled{stop_.get(), POLLIN, 0};
  return ::poll(&polled, 1, kTryAgainEveryMs) <= 0;
}

std::string FilesWatch::given_up() const {
  if (options_.keeper_socket.empty()) return {};
  const Result<wire::KeeperSeen> seen = keeper::look(options_.keeper_socket);
  return seen ? seen->given_up : std::string();
}

UniqueFd FilesWatch::await_process(bool told) {
  const Clock::time_point since = Clock::now();
  bool for_good = false;
  for (;;) {
    Result<UniqueFd> found = find();
    if (found) {
      if (told) tell_("", false);
      return std::move(*found);
    }
    const auto absent = Clock::now() - since;
    const std::string reason = for_good ? std::string() : given_up();
    if (!for_good && (!reason.empty() || absent > options_.absence_max)) {
      tell_("its devrun-fs has ended, and with it the files of its jobs" +
                (reason.empty() ? "" : " (" + reason + ")") + "; `devrun up` starts the node anew",
            true);
      for_good = told = true;
    } else if (!told && absent > options_.quiet) {
      tell_("its devrun-fs is away: jobs wait for their files until it is started again", false);
      told = true;
    }
    if (!pause()) return {};
  }
}

void FilesWatch::watch(UniqueFd process) {
  bool told = !process;
  for (;;) {
    if (!process) process = await_process(told);
    if (!process) return;
    told = false;
    pollfd polled[] = {{stop_.get(), POLLIN, 0}, {process.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0) continue;
    if (is_readable(polled[0])) return;
    if (is_readable(polled[1])) process.reset();
  }
}

Status give_up_mounts(const std::string& keeper_socket) {
  for (const char* name : {"fuse.plain", "fuse.xattr"}) {
    const keeper::Descriptor mount = TRY(keeper::get(keeper_socket, name));
    // Aborts the connection; whether the mount itself goes does not matter.
    if (::umount2(mount.mounted_at.c_str(), MNT_FORCE) != 0 && errno != EBUSY && errno != EINVAL) {
      return errno_error("give up " + mount.mounted_at, errno);
    }
  }
  return ok();
}

}  // namespace devrun::agent
