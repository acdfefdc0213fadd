// The shim, started before there is a root to run in: its start and the move into the cgroups, which can take 9 ms, then
// happen beside the mounts. It runs nothing until step_go gives the byte, and leaves if that never comes.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/rank_ssh.h"
#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/setup.h"
#include "agent/shim/container_order.h"
#include "agent/shim/process_file.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"

namespace devrun::sandbox {

namespace {

constexpr int kReadyNumber = 60;
constexpr int kGoNumber = 61;
constexpr int kAboveThose = 200;
constexpr Duration kEndPatience = seconds(10);

// Numbers that cannot clash with those that the shim gets.
Result<Pipe> make_high_pipe() {
  const Pipe low = TRY(make_pipe());
  Pipe pipe{UniqueFd(::fcntl(low.read.get(), F_DUPFD_CLOEXEC, kAboveThose)),
            UniqueFd(::fcntl(low.write.get(), F_DUPFD_CLOEXEC, kAboveThose))};
  if (!pipe.read || !pipe.write) return errno_error("duplicate a descriptor", errno);
  return pipe;
}

Status write_order(const Setup& setup) {
  const Program& program = setup.spec.program;
  shim::ContainerOrder order;
  order.cwd = program.cwd;
  order.setup = program.setup;
  order.argv = program.argv;
  order.env = setup.environment;
  order.tty = program.tty;
  order.terminal = program.terminal;
  order.reads_stdin = program.reads_stdin;
  order.uid = program.caller.uid;
  order.gid = program.caller.gid;
  // A dev container runs what its sessions bring.
  order.idle = setup.spec.dev_container;
  if (order.idle) order.argv.clear();
  if (has_rank_ssh(setup.spec)) {
    order.helper = rank_ssh_command();
    order.stays = setup.spec.key.rank != 0;
  }
  return write_file_atomically(setup.places.order(), shim::encode(order), 0600);
}

// crun takes no '#'.
std::string container_id(const Options& options, const Places& places) {
  std::string id = options.node + "-" + places.name;
  std::replace(id.begin(), id.end(), '#', '+');
  return id;
}

Status run(Setup& setup) {
  TRY(write_order(setup));
  Pipe ready = TRY(make_high_pipe());
  Pipe go = TRY(make_high_pipe());
  const Options& options = setup.ground.options;
  DaemonOptions daemon;
  daemon.argv = {options.shim_program,
                 "--folder",
                 setup.places.folder,
                 "--id",
                 container_id(options, setup.places),
                 "--crun",
                 options.crun_program,
                 "--crun-root",
                 options.state_folder + "/crun",
                 "--ready-fd",
                 std::to_string(kReadyNumber),
                 "--go-fd",
                 std::to_string(kGoNumber),
                 "--output-max",
                 std::to_string(options.output_bytes_max)};
  for (const std::string& cgroup : TRY(read_lines(setup.places.cgroups()))) {
    daemon.argv.insert(daemon.argv.end(), {"--cgroup", cgroup});
  }
  if (setup.spec.lease_until.us != 0) {
    daemon.argv.insert(daemon.argv.end(),
                       {"--lease-until", std::to_string(setup.spec.lease_until.us)});
  }
  daemon.log_path = setup.places.in("shim.log");
  daemon.pass_fds = {{ready.write.get(), kReadyNumber}, {go.read.get(), kGoNumber}};
  const pid_t pid = TRY(start_daemon(daemon));
  setup.shim_ready = std::move(ready.read);
  setup.shim_go = std::move(go.write);
  return shim::write_process_file(setup.places.shim_process(), pid);
}

// The container's init ends when its shim does; killing it too covers an init that is stopped.
Status undo(const Ground& ground, const Places& places) {
  for (const std::string& file : {places.shim_process(), places.container_process()}) {
    const std::optional<shim::LiveProcess> process = TRY(shim::find_process(file));
    if (process) TRY(shim::end_process(*process, kEndPatience));
  }
  // crun's own state: with its cgroup manager off, a container leaves nothing else behind.
  return remove_tree(ground.options.state_folder + "/crun/" + container_id(ground.options, places));
}

}  // namespace

Step step_shim() {
  return {"shim", run, undo};
}

}  // namespace devrun::sandbox
