// devrun-keeper: pins a mount namespace and holds the descriptors that must outlive their users
// (FUSE mounts above all), and starts their server again when that dies (program.h). Does nothing
// else, so that nothing makes it die. When it and all others in its namespace have ended, the kernel
// undoes every mount made there.
//
//   devrun-keeper --socket PATH [--hide DIR]… [--fuse MOUNTPOINT:plain|xattr]…
//
// Ready once the socket accepts. Whoever starts it makes it a daemon. Ends on SIGTERM, SIGINT or a
// client's stop.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <map>
#include <string>
#include <vector>

#include "agent/keeper/keeper_server.h"
#include "agent/keeper/namespace_setup.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/runtime/unix_socket.h"

namespace devrun::keeper {
namespace {

struct FuseMount {
  std::string folder;
  std::string name;  // fuse.plain, fuse.xattr
};

struct Arguments {
  std::string socket;
  std::vector<std::string> hidden;
  std::vector<FuseMount> fuse;
};

Result<Arguments> parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) return Error{Code::kInvalid, fmt::format("{} needs a value", flag), {}};
    const std::string value = argv[i + 1];
    if (flag == "--socket") {
      out.socket = value;
    } else if (flag == "--hide") {
      out.hidden.push_back(value);
    } else if (flag == "--fuse") {
      const size_t colon = value.rfind(':');
      const std::string kind = colon == std::string::npos ? "" : value.substr(colon + 1);
      if (kind != "plain" && kind != "xattr") {
        return Error{Code::kInvalid, "--fuse takes MOUNTPOINT:plain or MOUNTPOINT:xattr", {}};
      }
      out.fuse.push_back({value.substr(0, colon), "fuse." + kind});
    } else {
      return Error{Code::kInvalid, fmt::format("unknown flag {}", flag), {}};
    }
  }
  if (out.socket.empty()) return Error{Code::kInvalid, "--socket is missing", {}};
  return out;
}

Status run(const Arguments& arguments) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &ending, nullptr) != 0) return errno_error("sigprocmask", errno);
  const UniqueFd stop(::signalfd(-1, &ending, SFD_CLOEXEC));
  if (!stop) return errno_error("signalfd", errno);

  TRY(enter_new_namespace());
  for (const std::string& folder : arguments.hidden) TRY(hide(folder));
  std::map<std::string, Kept> kept;
  for (const FuseMount& mount : arguments.fuse) {
    kept[mount.name] = Kept{TRY(mount_fuse(mount.folder, mount.name)), mount.folder};
  }
  KeeperServer server(TRY(listen_unix(arguments.socket)), std::move(kept));
  return server.run(stop.get());
}

}  // namespace
}  // namespace devrun::keeper

int main(int argc, char** argv) {
  using namespace devrun;
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    fmt::print("devrun-keeper {}\n", kVersion);
    return 0;
  }
  log::start("devrun-keeper", log::Level::kInfo);
  const Result<keeper::Arguments> arguments = keeper::parse(argc, argv);
  if (!arguments) {
    log::error("{}", arguments.error().message);
    return 2;
  }
  if (const Status status = keeper::run(*arguments); !status) {
    log::error("{}", status.error().message);
    return 1;
  }
  return 0;
}
