// devrun-controller: jobs, volumes and the relay of streams, on the storage host.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "common/base/log.h"
#include "common/base/version.h"
#include "common/runtime/file.h"
#include "controller/rpc/flags.h"
#include "controller/rpc/policy_file.h"
#include "controller/rpc/server.h"

namespace devrun::controller {
namespace {

struct Options {
  std::string store;
  ServerOptions server;
  std::string policy_file;
  JoiningFiles joining;
  std::string authority;
  std::string certificate;
  std::string key;
};

// What cannot be read changes nothing.
void renew_policy(Server& server, const std::string& file, const Policy& flags) {
  const Result<Policy> policy = read_policy(file, flags);
  if (!policy) return log::error("the policy stays as it was: {}", policy.error().message);
  server.set_policy(*policy);
  log::info("{} was read again", file);
}

// Connections of agents and callers, and files that have no name yet (storage/bodies.h): some 1,000 are usual to begin with.
void raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

Status serve(Options& options, const sigset_t& ending) {
  const Policy flags = options.server.policy;
  if (!options.policy_file.empty()) {
    options.server.policy = TRY(read_policy(options.policy_file, flags));
  }
  options.server.authority_pem = TRY(read_file(options.authority));
  options.server.certificate_pem = TRY(read_file(options.certificate));
  options.server.key_pem = TRY(read_file(options.key));
  TRY(read_joining_files(options.joining, options.server.joining));
  std::unique_ptr<storage::Storage> storage = TRY(storage::Storage::open(options.store));
  const std::unique_ptr<Server> server = TRY(Server::start(options.server, std::move(storage)));
  log::info("listening on {} (port {})", options.server.listen, server->port());
  int signal = 0;
  while (sigwait(&ending, &signal) == 0 && signal == SIGHUP) {
    if (!options.policy_file.empty()) renew_policy(*server, options.policy_file, flags);
  }
  log::info("signal {}: stopping", signal);
  server->stop();
  return ok();
}

log::Level level_of_environment() {
  const char* level = std::getenv("DEVRUN_LOG");
  return level != nullptr && std::string_view(level) == "debug" ? log::Level::kDebug
                                                                : log::Level::kInfo;
}

}  // namespace
}  // namespace devrun::controller

int main(int argc, char** argv) {
  using namespace devrun;
  controller::Options options;
  CLI::App app("devrun-controller: jobs, volumes and streams of a devrun cluster");
  app.set_version_flag("--version", "devrun-controller " + std::string(kVersion));
  app.add_option("--store", options.store, "folder of volumes, snapshots and output");
  app.add_option("--state", options.server.state_folder,
                 "folder of journal.db, history.db, seal.key");
  app.add_option("--listen", options.server.listen, "HOST:PORT");
  app.add_option("--ca", options.authority, "certificate of the cluster's authority");
  app.add_option("--cert", options.certificate, "the controller's certificate");
  app.add_option("--key", options.key, "its key");
  options.server.metrics = "127.0.0.1:9464";
  app.add_option("--metrics", options.server.metrics,
                 "HOST:PORT of a page for Prometheus, /metrics, or none (127.0.0.1:9464)");
  app.add_option("--nfs-folder", options.server.nfs_folder,
                 "of nfs-ganesha's configuration, where devrun has started it: revoked nodes' "
                 "machines are kept off it");
  controller::add_policy_flags(app, options.server.policy);
  controller::add_archive_flags(app, options.server.archive);
  app.add_option("--policy", options.policy_file,
                 "YAML of shares and limits; read again at SIGHUP; need not be there");
  controller::add_collecting_flags(app, options.server.collect);
  controller::add_joining_flags(app, options.server.joining, options.joining);
  storage::CheckOptions checking;
  std::string checked;
  CLI::App* fsck = app.add_subcommand("fsck", "checks a store that no controller uses");
  fsck->add_option("--store", checked, "its folder")->required();
  fsck->add_flag("--data", checking.data, "compare all bytes with their hashes");
  std::string records;
  CLI::App* put = app.add_subcommand("put-records", "puts a backup's records into a store");
  put->add_option("--store", checked, "its folder; no controller uses it")->required();
  put->add_option("--from", records, "the backup's folder store/")->required();
  CLI11_PARSE(app, argc, argv);
  if (put->parsed()) return controller::put_and_tell(records, checked);
  if (fsck->parsed()) return controller::check_and_tell(checked, checking);
  // Not CLI11's required(), which would hold for the subcommand too.
  for (const std::string& needed :
       {options.store, options.server.state_folder, options.server.listen, options.authority,
        options.certificate, options.key}) {
    if (!needed.empty()) continue;
    std::fputs(
        "devrun-controller: --store, --state, --listen, --ca, --cert and --key are needed. "
        "Try: devrun-controller --help\n",
        stderr);
    return 2;
  }

  log::start("devrun-controller", controller::level_of_environment());
  controller::raise_file_limit();
  // Before any thread is made, so that all inherit the mask and only `serve` takes the signal.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  const Status served = controller::serve(options, ending);
  if (served) return 0;
  const Error& error = served.error();
  log::error("{}{}", error.message, error.hint.empty() ? "" : ". Try: " + error.hint);
  return 1;
}
