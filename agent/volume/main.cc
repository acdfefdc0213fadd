// devrun-fs: the FUSE server in which every snapshot appears on a node. One per node; outlives the
// agent.
//
//   devrun-fs --keeper SOCKET --control SOCKET (--nfs HOST:PORT[/EXPORT],… | --folder DIR)
//             [--state DIR] [--cache DIR] [--cache-size SIZE] [--cache-free PERCENT]
//   devrun-fs --as-user UID:GID[,GID…] --inside UID:GID --fuse-fd N --folder-fd N --at PLACE
//                                 something else: a folder of the site for one container (agent/site/folder_server.h)
//   devrun-fs --state-format      prints which format of a predecessor's state it reads
//
// Several --nfs servers are of one store; the first is preferred. The cache is STATE/cache unless said otherwise (none
// without either), at most SIZE (20G; 0: no cache), and leaves PERCENT (10) of its file system free.
//
// Enters the keeper's mount namespace, takes the mounts' descriptors from it (fuse.plain,
// fuse.xattr) and what the last devrun-fs knew (fs.nodes, fs.packs), and serves until the mounts are
// gone or a SIGTERM. Ready once the control socket accepts. It may be killed at any time: the keeper
// starts it again, or another build of it, and jobs see a pause. Exit status 4: what is there cannot
// be taken over, so starting it again is of no use. DEVRUN_FS_RESEND=no in the environment: as with
// a kernel before 6.9, for tests.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "agent/site/as_user.h"
#include "agent/volume/host_store.h"
#include "agent/volume/nfs_store.h"
#include "agent/volume/node_fs.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/base/version.h"
#include "common/runtime/file.h"
#include "common/runtime/namespace.h"
#include "common/wire/keeper_client.h"

namespace devrun::volume {
namespace {

struct Arguments {
  std::string keeper;
  std::string control;
  std::string nfs;
  std::string folder;
  std::string state;
  std::string cache;
  std::string cache_size = "20G";
  std::string cache_free = "10";
};

constexpr int kStatusNoTakeover = 4;  // agent/keeper knows it too

Error usage(std::string message) {
  return Error{Code::kInvalid, std::move(message), {}};
}

Result<Arguments> parse(int argc, char** argv) {
  Arguments out;
  const std::map<std::string_view, std::string*> flags{
      {"--keeper", &out.keeper},         {"--control", &out.control},      {"--nfs", &out.nfs},
      {"--folder", &out.folder},         {"--state", &out.state},          {"--cache", &out.cache},
      {"--cache-size", &out.cache_size}, {"--cache-free", &out.cache_free}};
  for (int i = 1; i < argc; i += 2) {
    const auto flag = flags.find(argv[i]);
    if (flag == flags.end()) return usage(fmt::format("unknown flag {}", argv[i]));
    if (i + 1 >= argc) return usage(fmt::format("{} needs a value", argv[i]));
    *flag->second = argv[i + 1];
  }
  if (out.keeper.empty() || out.control.empty()) return usage("--keeper or --control is missing");
  // Entering the keeper's namespace leads to `/`.
  for (std::string* path : {&out.keeper, &out.control, &out.folder, &out.state, &out.cache}) {
    if (!path->empty()) *path = std::filesystem::absolute(*path).string();
  }
  if (out.cache.empty() && !out.state.empty()) out.cache = out.state + "/cache";
  if (out.nfs.empty() == out.folder.empty()) return usage("one of --nfs and --folder is needed");
  return out;
}

Result<std::unique_ptr<ObjectStore>> open_store(const Arguments& arguments) {
  if (!arguments.folder.empty()) {
    std::unique_ptr<ObjectStore> store = TRY(HostStore::open(arguments.folder));
    return store;
  }
  std::vector<NfsAddress> addresses = TRY(parse_nfs_addresses(arguments.nfs));
  std::unique_ptr<ObjectStore> store = TRY(NfsStore::open(std::move(addresses), {}));
  return store;
}

// Without a cache rather than not at all.
Result<std::unique_ptr<DiskCache>> open_cache(const Arguments& arguments) {
  DiskCache::Limits limits;
  limits.bytes_max = static_cast<uint64_t>(TRY(parse_size(arguments.cache_size)));
  const std::string& percent = arguments.cache_free;
  const auto [end, failed] =
      std::from_chars(percent.data(), percent.data() + percent.size(), limits.free_percent_min);
  if (failed != std::errc{} || end != percent.data() + percent.size()) {
    return usage(fmt::format("--cache-free {}: expected a percentage, as 10", percent));
  }
  if (arguments.cache.empty() || limits.bytes_max == 0) return std::unique_ptr<DiskCache>();
  Result<std::unique_ptr<DiskCache>> cache = DiskCache::open(arguments.cache, limits);
  if (cache || cache.error().code == Code::kInvalid) return cache;
  log::error("no disk cache: {}", cache.error().message);
  return std::unique_ptr<DiskCache>();
}

Result<NodeFs::Mount> take_mount(const std::string& keeper, const std::string& name) {
  keeper::Descriptor descriptor = TRY(keeper::get(keeper, name));
  return NodeFs::Mount{std::move(descriptor.fd), std::move(descriptor.mounted_at)};
}

// One server at a time: a predecessor that is being killed may still hold the lock for a moment.
Result<UniqueFd> lock_out_others(const std::string& control) {
  const std::string path = control + ".lock";
  UniqueFd fd = TRY(open_file(path, O_RDWR | O_CREAT, 0600));
  constexpr int kTries = 500;
  for (int tries = 0; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR) return errno_error("lock " + path, errno);
    if (tries == kTries) {
      return Error{Code::kConflict, "another devrun-fs serves " + control, "fuser -v " + path};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fd;
}

Result<std::unique_ptr<NodeState>> take_state(const Arguments& arguments) {
  Result<keeper::Descriptor> nodes = keeper::get(arguments.keeper, "fs.nodes");
  if (nodes) {
    Result<keeper::Descriptor> packs = keeper::get(arguments.keeper, "fs.packs");
    if (!packs && packs.error().code != Code::kNotFound) return std::move(packs).error();
    return NodeState::adopt(std::move(nodes->fd), packs ? std::move(packs->fd) : UniqueFd());
  }
  if (nodes.error().code != Code::kNotFound) return std::move(nodes).error();
  std::unique_ptr<NodeState> fresh = TRY(NodeState::create(arguments.state));
  if (fresh->disk_fd() >= 0) TRY(keeper::put(arguments.keeper, "fs.packs", fresh->disk_fd()));
  TRY(keeper::put(arguments.keeper, "fs.nodes", fresh->memory_fd()));  // last: it tells of both
  return fresh;
}

Result<std::unique_ptr<NodeFs>> start(const Arguments& arguments) {
  if (!arguments.state.empty()) TRY(make_folders(arguments.state, 0700));
  TRY(enter_mount_namespace_of(arguments.keeper));
  TRY(lock_out_others(arguments.control)).release();  // until the process ends
  NodeFs::Mount plain = TRY(take_mount(arguments.keeper, "fuse.plain"));
  NodeFs::Mount xattr = TRY(take_mount(arguments.keeper, "fuse.xattr"));
  std::unique_ptr<NodeState> state = TRY(take_state(arguments));
  std::unique_ptr<DiskCache> cache = TRY(open_cache(arguments));
  std::unique_ptr<ObjectStore> store = TRY(open_store(arguments));
  const char* const resend = std::getenv("DEVRUN_FS_RESEND");
  return NodeFs::start(std::move(store), std::move(cache), std::move(state), std::move(plain),
                       std::move(xattr),
                       {.control_socket = arguments.control,
                        .resend = resend == nullptr || std::string_view(resend) != "no"});
}

// Errors that starting again does not mend.
bool is_final(Code code) {
  return code == Code::kUnsupported || code == Code::kCorrupt || code == Code::kNotFound;
}

}  // namespace
}  // namespace devrun::volume

int main(int argc, char** argv) {
  using namespace devrun;
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    fmt::print("devrun-fs {}\n", kVersion);
    return 0;
  }
  if (argc == 2 && std::string_view(argv[1]) == "--state-format") {
    fmt::print("{}\n", volume::NodeState::kFormat);
    return 0;
  }
  if (argc > 1 && std::string_view(argv[1]) == "--as-user") return site::as_user(argc, argv);
  log::start("devrun-fs", log::Level::kInfo);
  ::signal(SIGPIPE, SIG_IGN);
  const Result<volume::Arguments> arguments = volume::parse(argc, argv);
  if (!arguments) {
    log::error("{}", arguments.error().message);
    return 2;
  }
  Result<std::unique_ptr<volume::NodeFs>> fs = volume::start(*arguments);
  if (!fs) {
    log::error("{}", fs.error().message);
    return volume::is_final(fs.error().code) ? volume::kStatusNoTakeover : 1;
  }
  // SIGTERM ends the process as SIGKILL would: the mounts belong to the keeper, and nothing here
  // needs an orderly end.
  (*fs)->wait();
  log::info("the mounts are gone");
  return 0;
}
