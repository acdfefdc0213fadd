#include "cli/pilots/pilot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "cli/cluster/say.h"
#include "cli/pilots/admit.h"
#include "cli/pilots/pilot_join.h"
#include "cli/pilots/pilot_space.h"
#include "cli/start/whole_node.h"
#include "common/runtime/file.h"

namespace devrun::pilots {

namespace fs = std::filesystem;

namespace {

constexpr int kFoldersMax = 100;

volatile sig_atomic_t told_to_end = 0;
volatile sig_atomic_t node = 0;  // the first process of its space
void on_end(int) {
  told_to_end = 1;
  if (node > 0) ::kill(node, SIGTERM);
}
bool is_told_to_end() {
  return told_to_end != 0;
}

void catch_end() {
  struct sigaction action {};
  action.sa_handler = on_end;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
}

// All but the cache.
Status empty(const std::string& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.path().filename() == "cache") continue;
    std::error_code stays;
    fs::remove_all(entry.path(), stays);
    if (stays)
      return Error{Code::kIo, fmt::format("{}: {}", entry.path().string(), stays.message()), {}};
  }
  return ok();
}

struct OwnFolder {
  std::string path;
  UniqueFd lock;  // held by this process for as long as it lives
};
Result<OwnFolder> take_folder(const std::string& state) {
  TRY(make_folders(state, 0755));
  for (int number = 0; number < kFoldersMax; ++number) {
    const std::string path = fmt::format("{}/{}", state, number);
    UniqueFd lock = TRY(open_file(path + ".lock", O_RDWR | O_CREAT, 0600));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
    TRY(make_private_folder(path));
    TRY(empty(path));
    return OwnFolder{path, std::move(lock)};
  }
  return Error{
      Code::kExhausted, fmt::format("there are {} pilots on this machine", kFoldersMax), {}};
}

int run_node(const std::string& config) {
  const auto read = start::read_node_config(config);
  const Status done = read ? start::run_whole_node(*read, config) : Status(read.error());
  return done ? 0 : cluster::say_error(done.error());
}

Status be_node(const OwnFolder& folder) {
  node = TRY(start_in_own_space([&] { return run_node(config_file(folder.path)); }));
  if (is_told_to_end()) ::kill(node, SIGTERM);  // a signal between the two
  int status = 0;
  while (::waitpid(node, &status, 0) < 0 && errno == EINTR) {
  }
  node = 0;
  if (status == 0) return ok();
  return Error{Code::kUnavailable, "the node has ended", "what it said before"};
}

Status be_pilot(const PilotOrder& order, const OwnFolder& folder) {
  const UniqueFd waiting = TRY(make_waiting_folder(order.job));
  const Secret secret = TRY(await_secret(order.job, order.within, is_told_to_end));
  TRY(join_in_child(order, secret, folder.path));
  TRY(note_joined(order.job));
  return be_node(folder);
}

}  // namespace

Status run_pilot(const PilotOrder& order) {
  if (::geteuid() != 0) {
    return Error{Code::kDenied, "a pilot is run by root: it makes mounts and containers",
                 "devrun-slurm as root, where Slurm lets root submit (DisableRootJobs=NO)"};
  }
  catch_end();
  const OwnFolder folder = TRY(take_folder(order.state));
  cluster::say("pilot {} in Slurm's job {}: {}", order.name, order.job, folder.path);
  const Status done = be_pilot(order, folder);
  remove_waiting_folder(order.job);
  const Status emptied = empty(folder.path);
  return done ? emptied : done;
}

}  // namespace devrun::pilots
