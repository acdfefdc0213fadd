#include "agent/sandbox/node_sandboxes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "agent/sandbox/environment.h"
#include "agent/sandbox/lines.h"
#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/seccomp.h"
#include "agent/sandbox/session.h"
#include "agent/sandbox/spec_file.h"
#include "agent/sandbox/usage.h"
#include "agent/sandbox/written.h"
#include "agent/shim/exit_record.h"
#include "agent/shim/process_file.h"
#include "common/base/log.h"
#include "common/model/ending.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr Duration kEndPatience = seconds(10);

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// `devrun up` leaves the reason when it must end what ran on a node (cli/cluster/ending.cc).
std::string why_lost(const Places& at) {
  constexpr size_t kReasonBytesMax = 1024;
  const Result<std::string> reason = read_file(at.folder + "/lost", kReasonBytesMax);
  if (reason && !reason->empty()) return *reason;
  return "its shim or its node died: how it ended is not known";
}

class NodeSandboxes final : public Sandboxes {
 public:
  NodeSandboxes(Ground ground, std::vector<Step> steps)
      : ground_(std::move(ground)), driver_(ground_.parts.driver), steps_(std::move(steps)) {}

  void set_gpus(std::vector<gpu::FoundGpu> gpus) override {
    const std::lock_guard lock(driver_mutex_);
    driver_.gpus = std::move(gpus);
  }
  Status start(const AttemptSpec& spec, const std::string& container_socket, Time now,
               const StartWatch& watch) override;
  Result<std::vector<Found>> find() override;
  Status start_session(const AttemptKey& key, const SessionSpec& spec) override {
    return sandbox::start_session(ground_.options, places(key), spec);
  }
  Result<std::vector<FoundSession>> find_sessions() override;
  Status remove_session(const AttemptKey& key, const std::string& id) override {
    return sandbox::remove_session(places(key), id);
  }
  std::string session_folder(const AttemptKey& key, const std::string& id) const override {
    return sandbox::session_folder(places(key), id);
  }
  Result<FoundSession> find_session(const AttemptKey& key, const std::string& id) override {
    return sandbox::find_session(places(key), key, id);
  }
  Status add_hosts(const AttemptKey& key, const std::vector<std::string>& hosts) override;
  Status kill(const AttemptKey& key) override;
  Result<Usage> usage(const AttemptKey& key) override;
  Result<WrittenSummary> written(const AttemptKey& key) override;
  Result<WrittenPlace> written_place(const AttemptKey& key) override;
  Status settle_written(const AttemptKey& key) override;
  Status leave_written(const AttemptKey& key) override;
  Status clear_mount_points(const AttemptKey& key) override {
    return sandbox::clear_mount_points(ground_, places(key));
  }
  Status release(const AttemptKey& key) override;
  Status collect(Time now) override;
  std::string folder(const AttemptKey& key) const override { return places(key).folder; }

 private:
  Status keep_reads(const Places& at, const AttemptSpec& spec) const;
  Places places(const AttemptKey& key) const { return Places(ground_.options.state_folder, key); }
  std::vector<std::string> bound_places(const AttemptSpec& spec) const {
    std::vector<std::string> of_site;
    for (const SiteMount& mount : ground_.options.site_mounts) of_site.push_back(mount.target);
    return places_of_bound(spec, of_site);
  }
  Result<std::vector<AttemptKey>> keys() const;
  Result<Found> look(const Places& places) const;
  // All undos from step `last` on down; the first that fails is told, the rest are tried all the same.
  Status undo(const Places& places, size_t last, bool tree_is_its_own) const;
  // All that runs of it. kTimeout: something does not die.
  Status kill_all(const Places& at) const;

  gpu::Driver driver() const {
    const std::lock_guard lock(driver_mutex_);
    return driver_;
  }

  const Ground ground_;
  mutable std::mutex driver_mutex_;
  gpu::Driver driver_;  // ground_'s at first
  const std::vector<Step> steps_;
};

Status NodeSandboxes::start(const AttemptSpec& asked, const std::string& container_socket, Time now,
                            const StartWatch& watch) {
  const Places at = places(asked.key);
  AttemptSpec spec = asked;
  const gpu::Driver driver = this->driver();
  spec.gpu_variables = gpu::gpu_variables(driver, spec.gpus);
  if (::mkdir(at.folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) {
      return Error{Code::kExists, fmt::format("attempt {} has been on this node", at.name), {}};
    }
    return errno_error("mkdir " + at.folder, errno);
  }
  Timeline timeline;
  timeline.agent_received = now;
  Status done = write_file_atomically(at.spec(), spec_bytes(spec), 0600);
  size_t step = 0;
  Setup setup{.ground = ground_,
              .spec = spec,
              .places = at,
              .container_socket = container_socket,
              .timeline = timeline,
              .watch = watch};
  setup.environment =
      container_environment(spec, ground_.options.node, !ground_.options.shared_folder.empty());
  if (done) {
    Result<gpu::Grant> grant = gpu::grant_gpus(driver, spec.gpus);
    if (grant) setup.grant = std::move(*grant);
    if (!grant) done = std::move(grant).error().context("the job cannot have its GPUs");
  }
  for (; done && step < steps_.size(); ++step) {
    const Time mounted = timeline.mounted;
    done = steps_[step].run(setup);
    if (watch.progress && timeline.mounted != mounted) watch.progress(timeline);
  }
  if (done) {
    if (watch.progress) watch.progress(timeline);
    return ok();
  }
  // `step` is one beyond the one that failed.
  const bool its_own = !watch.tree_is_its_own || watch.tree_is_its_own();
  if (Status undone = undo(at, step, its_own); !undone) log::error("{}", undone.error().message);
  Error error = done.error();
  const bool by_caller = step > 0 && steps_[step - 1].looks_at_wishes;
  if (error.code == Code::kInvalid && !by_caller) error.code = Code::kInternal;
  const shim::ExitRecord record{not_started(error), 0, wall_clock(), {}, {}};
  if (Status wrote = shim::write_exit_record(at.folder, record); !wrote) {
    log::error("{}", wrote.error().message);
  }
  return error;
}

Status NodeSandboxes::undo(const Places& at, size_t last, bool tree_is_its_own) const {
  Status result = ok();
  for (size_t i = std::min(last, steps_.size()); i > 0; --i) {
    if (steps_[i - 1].only_before_its_end && !tree_is_its_own) continue;
    Status undone = steps_[i - 1].undo(ground_, at);
    if (!undone && result) {
      result = std::move(undone).error().context(
          fmt::format("cleaning up {} of {}", steps_[i - 1].name, at.name));
    }
  }
  return result;
}

Result<std::vector<AttemptKey>> NodeSandboxes::keys() const {
  std::vector<AttemptKey> out;
  std::error_code failed;
  const std::string folder = ground_.options.state_folder + "/attempts";
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    const Result<AttemptKey> key = parse_folder_name(entry.path().filename().string());
    if (key) out.push_back(*key);
  }
  if (failed) return errno_error("read " + folder, failed.value());
  std::sort(out.begin(), out.end());
  return out;
}

Result<Found> NodeSandboxes::look(const Places& at) const {
  Found found;
  const std::string bytes = TRY(read_file(at.spec()));
  found.spec = TRY(spec_of(bytes));
  found.released = exists(at.released());
  found.shim_alive = TRY(shim::find_process(at.shim_process())).has_value();
  struct stat st {};
  if (::stat(at.output().c_str(), &st) == 0) found.output_bytes = st.st_size;
  // After the look at the shim: it may have ended in between.
  const std::optional<shim::ExitRecord> exit = TRY(shim::read_exit_record(at.folder));
  if (exit) {
    found.ending = exit->ending;
    found.timeline.started = exit->started;
    found.timeline.first_byte = exit->first_byte;
    found.timeline.ended = exit->ended;
  } else if (!found.shim_alive && !exists(at.shim_process())) {
    found.ending = set_up_interrupted();
  } else if (!found.shim_alive) {
    found.ending = Ending{EndCause::kLost, 125, why_lost(at), {}};
  }
  return found;
}

Result<std::vector<Found>> NodeSandboxes::find() {
  std::vector<Found> out;
  for (const AttemptKey& key : TRY(keys())) {
    Result<Found> found = look(places(key));
    if (found) {
      out.push_back(std::move(*found));
      continue;
    }
    // Nothing was done yet when the agent died between the folder and the spec: the folder is still the fence.
    Found bare;
    bare.spec.key = key;
    bare.ending = set_up_interrupted();
    if (found.error().code != Code::kNotFound) {
      // It may have run.
      log::error("{}", found.error().message);
      bare.ending = Ending{EndCause::kLost, 125, found.error().message, {}};
    }
    out.push_back(std::move(bare));
  }
  return out;
}

Result<std::vector<FoundSession>> NodeSandboxes::find_sessions() {
  std::vector<FoundSession> out;
  for (const AttemptKey& key : TRY(keys())) {
    for (FoundSession& found : TRY(sandbox::find_sessions(places(key), key))) {
      out.push_back(std::move(found));
    }
  }
  return out;
}

// In place: the container has the very file bound.
Status NodeSandboxes::add_hosts(const AttemptKey& key, const std::vector<std::string>& hosts) {
  constexpr size_t kHostsBytesMax = 4 << 20;
  const std::string path = places(key).files() + "/hosts";
  const std::string known = TRY(read_file(path, kHostsBytesMax));
  std::string more;
  for (const std::string& host : hosts) {
    const std::string line = host + "\n";
    const bool plain = host.find('\n') == std::string::npos;
    if (plain && ("\n" + known).find("\n" + line) == std::string::npos) more += line;
  }
  const UniqueFd file = TRY(open_file(path, O_WRONLY | O_APPEND | O_CLOEXEC));
  return write_all(file.get(), more);
}

// A container that is about to begin is waited for: its shim is alive, and there is no end yet.
// SIGKILL does not reach who waits for an answer of a server that itself waits for a filer.
Status NodeSandboxes::kill(const AttemptKey& key) {
  const Places at = places(key);
  const Status done = kill_all(at);
  if (done || done.error().code != Code::kTimeout || !abort_served(at)) return done;
  log::warning("{}: its folders of the site do not answer; they are taken from it", at.name);
  return kill_all(at);
}

Status NodeSandboxes::kill_all(const Places& at) const {
  const Time deadline = wall_clock() + kEndPatience;
  for (;;) {
    const bool shim_alive = TRY(shim::find_process(at.shim_process())).has_value();
    const std::optional<shim::LiveProcess> init = TRY(shim::find_process(at.container_process()));
    if (init) TRY(shim::end_process(*init, kEndPatience));
    if (init || !shim_alive || exists(at.folder + "/exit") || exists(at.container_process())) break;
    if (wall_clock() > deadline) {
      return Error{Code::kTimeout, "the container of " + at.name + " does not come up", {}};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  // Waited for: the end that is told next may let another attempt begin.
  return end_cgroups(TRY(read_lines(at.cgroups())));
}

Result<Usage> NodeSandboxes::usage(const AttemptKey& key) {
  const Places at = places(key);
  Usage used = usage_of(TRY(read_lines(at.cgroups())));
  const std::optional<shim::ExitRecord> exit = TRY(shim::read_exit_record(at.folder));
  if (!exit) return used;
  used.memory_bytes = 0;
  if (!exit->usage) return used;
  // Each counts what the other may lack: a cgroup what nobody waited for, the kernel's accounts what there is no
  // cgroup for.
  used.cpu = std::max(used.cpu, exit->usage->cpu);
  used.memory_peak_bytes = std::max(used.memory_peak_bytes, exit->usage->memory_peak_bytes);
  used.read_bytes = std::max(used.read_bytes, exit->usage->read_bytes);
  used.written_bytes = std::max(used.written_bytes, exit->usage->written_bytes);
  return used;
}

Result<WrittenSummary> NodeSandboxes::written(const AttemptKey& key) {
  const Places at = places(key);
  const std::string bytes = TRY(read_file(at.spec()));
  const AttemptSpec spec = TRY(spec_of(bytes));
  // First: looking at what it wrote looks into its tree.
  const Status kept = spec.setup_for_ranks == 0 ? ok() : keep_reads(at, spec);
  if (!kept) {
    log::warning("{}: what its setup read is not known, so that it will run again: {}",
                 to_string(key), kept.error().message);
  }
  const std::vector<std::string> lower = TRY(read_lines(at.lower()));
  if (spec.root.live) {
    WrittenSummary nothing;
    nothing.node = ground_.options.node;
    return nothing;
  }
  WrittenSummary summary =
      TRY(scan_written({at.upper(), lower.empty() ? "" : lower.front(), spec.program.cwd,
                        spec.program.caller.home, bound_places(spec)}));
  summary.node = ground_.options.node;
  summary.folder = at.upper();
  return summary;
}

Result<WrittenPlace> NodeSandboxes::written_place(const AttemptKey& key) {
  const Places at = places(key);
  const std::string bytes = TRY(read_file(at.spec()));
  const AttemptSpec spec = TRY(spec_of(bytes));
  const std::vector<std::string> lower = TRY(read_lines(at.lower()));
  const bool has_failed = exists(at.failed_reads());
  return WrittenPlace{at.upper(),
                      lower.empty() ? "" : lower.front(),
                      spec.paths,
                      spec.program.caller.home,
                      spec.results,
                      spec.root.live,
                      exists(at.folder + "/exit"),
                      exists(at.released()),
                      exists(at.settled()),
                      exists(at.left()),
                      has_failed           ? at.failed_reads()
                      : exists(at.reads()) ? at.reads()
                                           : "",
                      has_failed};
}

Status NodeSandboxes::keep_reads(const Places& at, const AttemptSpec& spec) const {
  if (exists(at.reads()) || exists(at.failed_reads())) return ok();
  const std::optional<shim::ExitRecord> exit = TRY(shim::read_exit_record(at.folder));
  if (!exit || exit->ending.cause != EndCause::kExited) return ok();
  const bool failed = exit->ending.status != 0;
  if (failed && !spec.reads_if_failed) return ok();
  const std::string reads = TRY(ground_.parts.watched(spec.key));
  return write_file_atomically(failed ? at.failed_reads() : at.reads(), reads, 0600);
}

Status NodeSandboxes::settle_written(const AttemptKey& key) {
  const Places at = places(key);
  if (!exists(at.folder) || exists(at.settled())) return ok();
  return write_lines(at.settled(), {});
}

Status NodeSandboxes::leave_written(const AttemptKey& key) {
  const Places at = places(key);
  if (!exists(at.folder) || exists(at.left())) return ok();
  return write_lines(at.left(), {});
}

Status NodeSandboxes::release(const AttemptKey& key) {
  const Places at = places(key);
  if (!exists(at.folder) || exists(at.released())) return ok();
  // The shim first, or it would write to the folder that is being cleared.
  for (const std::string& file : {at.shim_process(), at.container_process()}) {
    const std::optional<shim::LiveProcess> process = TRY(shim::find_process(file));
    if (process) TRY(shim::end_process(*process, kEndPatience));
  }
  TRY(end_sessions(at));
  TRY(undo(at, steps_.size(), false));
  std::error_code failed;
  if (const Result<std::string> bytes = read_file(at.spec()); bytes) {
    prune_places(at.upper(), bound_places(TRY(spec_of(*bytes))));
  }
  const bool wrote =
      std::filesystem::exists(at.upper(), failed) && !std::filesystem::is_empty(at.upper(), failed);
  if (!wrote) return remove_tree(at.folder);
  // The environment may hold secrets; nobody needs it any more.
  if (const Result<std::string> bytes = read_file(at.spec()); bytes) {
    AttemptSpec spec = TRY(spec_of(*bytes));
    spec.env.clear();
    TRY(write_file_atomically(at.spec(), spec_bytes(spec), 0600));
  }
  for (const auto& entry : std::filesystem::directory_iterator(at.folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (name == "upper" || name == "spec" || name == "exit" || name == "settled" ||
        name == "reads" || name.starts_with("disk")) {
      continue;
    }
    TRY(remove_tree(entry.path().string()));
  }
  return write_lines(at.released(), {std::to_string(wall_clock().us)});
}

Status NodeSandboxes::collect(Time now) {
  for (const AttemptKey& key : TRY(keys())) {
    const Places at = places(key);
    const std::vector<std::string> when = TRY(read_lines(at.released()));
    if (when.empty()) continue;
    const Time released{std::strtoll(when.front().c_str(), nullptr, 10)};
    if (now < released + ground_.options.upper_kept) continue;
    // A spec that cannot be read says nothing of what is wanted.
    const Result<WrittenPlace> wrote = written_place(key);
    const bool only_copy = !wrote || (!wrote->settled && !wrote->left && !wrote->live &&
                                      wrote->results != Results::kDiscard);
    if (only_copy) continue;
    TRY(remove_scratch(at));
    TRY(remove_tree(at.folder));
  }
  return ok();
}

}  // namespace

Result<std::unique_ptr<Sandboxes>> open_sandboxes(Ground ground, std::vector<Step> steps) {
  TRY(make_folders(ground.options.state_folder + "/attempts", 0700));
  TRY(make_folders(ground.options.state_folder + "/crun", 0700));
  return std::unique_ptr<Sandboxes>(
      std::make_unique<NodeSandboxes>(std::move(ground), std::move(steps)));
}

Result<Parts> parts_of_host() {
  Parts parts;
  parts.cgroups = CgroupHost::look();
  Result<std::string> profile = read_file(kSeccompProfile, 4 << 20);
  if (!profile) {
    Error error = std::move(profile).error().context("containers need a seccomp profile");
    error.hint = "apt-get install golang-github-containers-common";
    return error;
  }
  parts.seccomp = TRY(compile_seccomp(*profile));
  parts.passwd = passwd_of_node();
  return parts;
}

}  // namespace devrun::sandbox
