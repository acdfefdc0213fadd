#include "cli/cluster/port_choice.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "cli/cluster/daemon.h"
#include "cli/cluster/ports.h"
#include "cli/cluster/process.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

constexpr uint16_t kControllerPort = 7443;
constexpr uint16_t kNfsPort = 7449;
constexpr uint16_t kJoinPort = 7444;
constexpr const char* kLock = "/run/devrun-ports.lock";
constexpr Duration kLockPatience = seconds(60);
// Of a process that is about to end, or a connection that is.
constexpr Duration kPortPatience = seconds(3);

Result<UniqueFd> lock_ports() {
  UniqueFd fd = TRY(open_file(kLock, O_RDWR | O_CREAT, 0600));
  const bool locked =
      wait_until(kLockPatience, [&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0; });
  if (locked) return fd;
  return Error{Code::kConflict, "another devrun up is about to bind its ports, and does not finish",
               fmt::format("fuser -v {}   (who it is)", kLock)};
}

Status choose(const Layout& layout, const char* daemon, uint16_t& port, uint16_t standard,
              bool move) {
  if (port == 0 || (move && !is_running(layout, daemon))) {
    port = TRY(free_port(standard));
    return ok();
  }
  if (is_running(layout, daemon)) return ok();
  if (wait_until(kPortPatience, [&] { return port_is_free(port); })) return ok();
  const std::string holder = holder_of_port(port);
  return Error{
      Code::kConflict,
      fmt::format("port {}, at which the {} of {} serves, is taken by {}", port,
                  daemon == std::string_view("nfs") ? "NFS server" : daemon, layout.folder,
                  holder.empty() ? "somebody else" : holder),
      fmt::format("end that, then devrun up; or devrun up --new-ports, after which calls "
                  "that wait for the cluster must be begun anew{}",
                  holder.empty() ? fmt::format(" (who it is: ss -tanp | grep :{})", port) : "")};
}

}  // namespace

Result<UniqueFd> choose_ports(const Layout& layout, Record& record, bool move) {
  const bool all_chosen = record.join_port != 0;  // not in clusters of older versions
  if (all_chosen && is_running(layout, "controller") && is_running(layout, "nfs")) {
    return UniqueFd();
  }
  UniqueFd lock = TRY(lock_ports());
  TRY(choose(layout, "controller", record.controller_port, kControllerPort, move));
  TRY(choose(layout, "nfs", record.nfs_port, kNfsPort, move));
  TRY(choose(layout, "controller", record.join_port, kJoinPort, move));
  return lock;
}

}  // namespace devrun::cluster
