// Files of the attempt that are bound into its container and so are never writes to its tree: resolv.conf, hosts, hostname,
// the folders that become /tmp and /var/tmp (on disk: a job's scratch data would fill memory), and in the folder that
// becomes /run/devrun mount points and what ranks need of each other.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/names.h"
#include "agent/sandbox/rank_ssh.h"
#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

std::string hosts(const Setup& setup) {
  const AttemptSpec& spec = setup.spec;
  const std::string host = container_hostname(spec, setup.ground.options.node);
  const std::string own =
      spec.key.rank < spec.rank_addresses.size() ? spec.rank_addresses[spec.key.rank] : "";
  return fmt::format(
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "{}\t{} {}\n",
      own.empty() ? "127.0.1.1" : own, host, setup.ground.options.node);
}

std::string_view file_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

Status make_scratch(const std::string& path) {
  TRY(make_folders(path));
  if (::chmod(path.c_str(), 01777) != 0) return errno_error("chmod " + path, errno);
  return ok();
}

Status make_mount_point(const std::string& path) {
  TRY(open_file(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
  return ok();
}

// What lies in /run/devrun for several ranks. Theirs who run there: sshd and ssh want it so.
Status make_rank_files(const Setup& setup, const std::string& run_folder) {
  const AttemptSpec& spec = setup.spec;
  if (spec.ranks > 1) {
    TRY(write_file_atomically(run_folder + "/" + std::string(file_name(kHostFile)), host_file(spec),
                              0644));
  }
  if (!has_rank_ssh(spec)) return ok();
  const Caller& caller = spec.program.caller;
  const std::string folder = run_folder + "/" + std::string(file_name(kSshFolder));
  TRY(make_folders(folder));
  for (const SmallFile& file : TRY(rank_ssh_files(spec, setup.environment))) {
    const std::string path = folder + "/" + file.name;
    TRY(write_file_atomically(path, file.content, file.mode));
    if (::chown(path.c_str(), caller.uid, caller.gid) != 0) {
      return errno_error("chown " + path, errno);
    }
  }
  return ok();
}

Status run(Setup& setup) {
  const Places& places = setup.places;
  TRY(make_folders(places.files()));
  const Result<std::string> resolv = read_file("/etc/resolv.conf", 1 << 20);
  TRY(write_file_atomically(places.files() + "/resolv.conf", resolv ? *resolv : ""));
  TRY(write_file_atomically(places.files() + "/hosts", hosts(setup)));
  TRY(write_file_atomically(places.files() + "/hostname",
                            container_hostname(setup.spec, setup.ground.options.node) + "\n"));
  TRY(make_scratch(places.tmp()));
  TRY(make_scratch(places.var_tmp()));
  const std::string run_folder =
      setup.container_socket.empty()
          ? places.in("run")
          : std::filesystem::path(setup.container_socket).parent_path().string();
  TRY(write_lines(places.run_folder(), {run_folder}));
  TRY(make_folders(run_folder + "/bin"));
  TRY(make_mount_point(run_folder + "/init"));
  TRY(make_rank_files(setup, run_folder));
  return make_mount_point(run_folder + "/bin/devrun");
}

Status undo(const Ground&, const Places& places) {
  for (const std::string& run_folder : TRY(read_lines(places.run_folder()))) {
    TRY(remove_tree(run_folder + "/bin"));
    TRY(remove_tree(run_folder + "/init"));
    for (const std::string_view path : {kSshFolder, kHostFile}) {
      TRY(remove_tree(run_folder + "/" + std::string(file_name(path))));
    }
  }
  for (const std::string& path :
       {places.files(), places.tmp(), places.var_tmp(), places.in("run")}) {
    TRY(remove_tree(path));
  }
  return ok();
}

}  // namespace

Step step_files() {
  return {"files", run, undo};
}

}  // namespace devrun::sandbox
