// devrun-agent: runs a node's attempts. May be killed and started again at any time; what runs goes on.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>

#include "agent/shim/shim_link.h"
#include "agent/sync/agent.h"
#include "agent/sync/flags.h"
#include "agent/sync/machine.h"
#include "agent/sync/node_gpus.h"
#include "agent/sync/renewal.h"
#include "agent/sync/state_lock.h"
#include "agent/sync/stop_signals.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/runtime/file.h"
#include "common/runtime/namespace.h"

namespace devrun::agent {
namespace {

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials(const Flags& flags) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = TRY(read_file(flags.ca));
  options.pem_cert_chain = TRY(read_file(flags.certificate));
  options.pem_private_key = TRY(read_file(flags.key));
  return grpc::SslCredentials(options);
}

std::string new_instance() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

// The programs lie in one folder.
std::string beside(const std::string& program, std::string_view name) {
  return program.substr(0, program.rfind('/') + 1) + std::string(name);
}

// Whether it shall begin anew, with the certificate that it has now.
Result<bool> run(const Flags& flags) {
  if (!flags.keeper.empty()) TRY(enter_mount_namespace_of(flags.keeper));
  TRY(catch_stop_signals());
  std::signal(SIGPIPE, SIG_IGN);

  TRY(make_folders(flags.state, 0711));
  const UniqueFd lock = TRY(lock_state(flags.state));
  sandbox::Options options;
  options.node = flags.name;
  options.state_folder = flags.state;
  options.fs_socket = flags.fs;
  options.live_folder = flags.live;
  options.shim_program = flags.shim;
  options.devrun_program = flags.devrun;
  options.scratch_bytes = flags.scratch_bytes;
  options.live_keeper = flags.live_keeper;
  options.site_mounts = flags.site_mounts;
  options.fs_program = beside(flags.shim, "devrun-fs");
  options.shared_folder = flags.shared_folder;
  if (flags.node_paths_bytes) options.node_paths_bytes = *flags.node_paths_bytes;
  options.cgroup_parent = flags.cgroup.empty() ? "devrun/" + flags.name : flags.cgroup;
  options.nfs_server = flags.nfs;
  if (flags.output_bytes_max) {
    options.output_bytes_max = static_cast<uint64_t>(*flags.output_bytes_max);
  }
  NodeHello hello = TRY(hello_of(flags));
  NodeGpus gpus({flags.gpus, flags.driver_root, flags.state + "/gpu_numbers", hello.boot_id,
                 options.cgroup_parent, flags.gpu_part, flags.gpu_parts, flags.gpu_devices});
  options.driver = {flags.driver_root, gpus.found()};
  set_gpus(hello, gpus.gpus(), gpus.driver());
  const auto sandboxes = TRY(sandbox::Sandboxes::open(options));
  Agent agent({std::move(hello), new_instance(), flags.controller, TRY(credentials(flags)),
               flags.state + "/sockets", flags.fs, flags.keeper, flags.report_every, &gpus},
              *sandboxes, shim::ShimLink::connect);
  TRY(agent.begin());
  log::info("node {} runs attempts for {}", flags.name, flags.controller);
  std::atomic<bool> renewed = false;
  std::optional<Renewal> renewal;
  if (flags.certificate == flags.key) {
    renewal.emplace(flags.controller, flags.ca, flags.certificate, [&renewed] {
      renewed = true;
      wake();
    });
  }
  wait_for_stop_signal();
  const bool anew = renewed && !told_to_stop();
  if (flags.leave_grace.us > 0 && !anew) {
    std::atomic<bool> left = false;
    agent.leave(flags.leave_grace, [&left] {
      left = true;
      wake();
    });
    while (!left) wait_for_stop_signal();  // further signals say nothing new
    return false;
  }
  renewal.reset();
  log::info("{}; what runs goes on", anew ? "beginning anew" : "stopping");
  return anew;
}

}  // namespace
}  // namespace devrun::agent

int main(int argc, char** argv) {
  using namespace devrun;
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("devrun-agent %.*s\n", static_cast<int>(kVersion.size()), kVersion.data());
    return 0;
  }
  const Result<agent::Flags> flags = agent::parse_flags({argv + 1, argv + argc});
  if (!flags || flags->help) {
    if (!flags) std::fprintf(stderr, "devrun-agent: %s\n", flags.error().message.c_str());
    std::fputs(agent::kUsage.data(), flags ? stdout : stderr);
    return flags ? 0 : 2;
  }
  log::start("devrun-agent", std::getenv("DEVRUN_LOG") ? log::Level::kDebug : log::Level::kInfo);
  const Result<bool> again = agent::run(*flags);
  // (Told to end only now, it leaves the cluster no more; but it ends.)
  if (again && *again && agent::may_begin_anew()) {
    ::execv("/proc/self/exe", argv);
    log::error("cannot begin anew: {}", std::strerror(errno));
    return 1;
  }
  if (!again) {
    const Status done = again.error();
    log::error("{}{}{}", done.error().message,
               done.error().hint.empty() ? "" : ". Try: ", done.error().hint);
    return done.error().code == Code::kConflict ? agent::kStatusStateTaken : 1;
  }
  return 0;
}
