#include "agent/sandbox/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "agent/sandbox/environment.h"
#include "agent/sandbox/lines.h"
#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/spec_file.h"
#include "agent/shim/container_order.h"
#include "agent/shim/exit_record.h"
#include "agent/shim/process_file.h"
#include "common/base/parse_number.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"

namespace devrun::sandbox {

namespace {

constexpr std::string_view kPrefix = "exec.";
constexpr int kReadyNumber = 60;
constexpr int kAboveThat = 200;
constexpr int kReadyPatienceMs = 10'000;
constexpr Duration kEndPatience = seconds(10);

Result<std::vector<std::string>> ids(const Places& attempt) {
  std::vector<std::string> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(attempt.folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix)) out.push_back(name.substr(kPrefix.size()));
  }
  if (failed && failed.value() != ENOENT) {
    return errno_error("read " + attempt.folder, failed.value());
  }
  return out;
}

std::string shim_process(const std::string& folder) {
  return folder + "/shim.pid";
}

shim::ContainerOrder order_of(const AttemptSpec& of, const SessionSpec& session,
                              const Options& options) {
  AttemptSpec spec = of;
  spec.program = session.program;
  spec.program.setup.clear();
  spec.env = session.env;
  if (!of.dev_container) {
    spec.program.caller = of.program.caller;
    if (spec.program.cwd.empty()) spec.program.cwd = of.program.cwd;
    spec.env = laid_over(of.env, session.env);
  }
  const Program& program = spec.program;
  shim::ContainerOrder order;
  order.cwd = program.cwd;
  order.argv = program.argv;
  order.env = container_environment(spec, options.node, !options.shared_folder.empty());
  order.tty = program.tty;
  order.terminal = program.terminal;
  order.reads_stdin = program.reads_stdin;
  order.uid = program.caller.uid;
  order.gid = program.caller.gid;
  order.changes_ids = of.dev_container;
  order.groups = program.caller.groups;
  order.umask = program.caller.umask;
  return order;
}

// As its own program has them: on mounts of the site these are the user's.
Status add_site_groups(const Places& attempt, shim::ContainerOrder& order) {
  for (const std::string& line : TRY(read_lines(attempt.site_groups()))) {
    const auto group = parse_number<uint32_t>(line);
    if (group && std::ranges::find(order.groups, *group) == order.groups.end()) {
      order.groups.push_back(*group);
    }
  }
  return ok();
}

Status start_shim(const Options& options, const Places& attempt, const std::string& folder) {
  Pipe pipe = TRY(make_pipe());
  const UniqueFd ready = std::move(pipe.read);
  UniqueFd write(::fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, kAboveThat));
  pipe.write.reset();
  if (!write) return errno_error("duplicate a descriptor", errno);
  DaemonOptions daemon;
  daemon.argv = {options.shim_program,
                 "--folder",
                 folder,
                 "--id",
                 "session",
                 "--join",
                 attempt.in("sessions.sock"),
                 "--ready-fd",
                 std::to_string(kReadyNumber)};
  // To know of deaths by the memory limit.
  for (const std::string& cgroup : TRY(read_lines(attempt.cgroups()))) {
    daemon.argv.insert(daemon.argv.end(), {"--cgroup", cgroup});
  }
  daemon.log_path = folder + "/shim.log";
  daemon.pass_fds = {{write.get(), kReadyNumber}};
  const pid_t pid = TRY(start_daemon(daemon));
  write.reset();
  TRY(shim::write_process_file(shim_process(folder), pid));
  pollfd wanted{ready.get(), POLLIN, 0};
  int n = 0;
  do {
    n = ::poll(&wanted, 1, kReadyPatienceMs);
  } while (n < 0 && errno == EINTR);
  char byte = 0;
  if (n > 0 && ::read(ready.get(), &byte, 1) == 1) return ok();
  return Error{Code::kInternal, "devrun-shim did not start a session: see " + daemon.log_path, {}};
}

std::string_view name_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

// Calls `each` with the entries, without their NUL.
template <typename Each>
void for_entries(std::string_view env, Each each) {
  while (!env.empty()) {
    const size_t end = std::min(env.find('\0'), env.size());
    if (end > 0) each(env.substr(0, end));
    env.remove_prefix(std::min(end + 1, env.size()));
  }
}

}  // namespace

std::string laid_over(const std::string& env, const std::string& over) {
  std::vector<std::string_view> names;
  for_entries(over, [&](std::string_view entry) { names.push_back(name_of(entry)); });
  std::string out;
  for_entries(env, [&](std::string_view entry) {
    if (std::find(names.begin(), names.end(), name_of(entry)) != names.end()) return;
    out.append(entry).push_back('\0');
  });
  return out + over;
}

std::string session_folder(const Places& attempt, const std::string& id) {
  return attempt.folder + "/" + std::string(kPrefix) + id;
}

Status start_session(const Options& options, const Places& attempt, const SessionSpec& session) {
  const std::string bytes = TRY(read_file(attempt.spec()));
  const AttemptSpec of = TRY(spec_of(bytes));
  const std::string folder = session_folder(attempt, session.id);
  if (::access(folder.c_str(), F_OK) == 0) {
    return Error{Code::kExists, "the session has been here before", {}};
  }
  size_t living = 0;
  for (const FoundSession& found : TRY(find_sessions(attempt, of.key))) {
    if (!found.ending) ++living;
  }
  if (living >= kSessionsMax) {
    return Error{Code::kExhausted,
                 fmt::format("job {} has {} sessions, which is as many as can be",
                             to_string(of.key), living),
                 "leave some of them"};
  }
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) return Error{Code::kExists, "the session has been here before", {}};
    return errno_error("mkdir " + folder, errno);
  }
  shim::ContainerOrder order = order_of(of, session, options);
  TRY(add_site_groups(attempt, order));
  Status done = write_file_atomically(folder + "/order", shim::encode(order), 0600);
  if (done) done = start_shim(options, attempt, folder);
  if (done) return ok();
  const Error error = done.error();
  const shim::ExitRecord record{
      {EndCause::kNotStarted, 125, error.message, error.hint}, 0, {}, {}, {}};
  TRY(shim::write_exit_record(folder, record));
  return error;
}

Result<FoundSession> find_session(const Places& attempt, const AttemptKey& key,
                                  const std::string& id) {
  const std::string folder = session_folder(attempt, id);
  FoundSession found;
  found.key = key;
  found.id = id;
  // Written first: without it nothing was begun.
  const Result<std::string> order = read_file(folder + "/order");
  if (order) found.uid = TRY(shim::parse_container_order(*order)).uid;
  if (!order && (order.error().code != Code::kNotFound || ::access(folder.c_str(), F_OK) != 0)) {
    return order.error();
  }
  found.shim_alive = TRY(shim::find_process(shim_process(folder))).has_value();
  // After the look at the shim: it may have ended in between.
  const Result<std::optional<shim::ExitRecord>> read = shim::read_exit_record(folder);
  if (!read && read.error().code != Code::kCorrupt) return read.error();
  const std::optional<shim::ExitRecord> exit = read ? *read : std::nullopt;
  if (!read) {
    found.ending = Ending{EndCause::kLost, 125, read.error().message, {}};
  } else if (exit) {
    found.ending = exit->ending;
    found.output_bytes = exit->output_bytes;
  } else if (!found.shim_alive) {
    found.ending =
        Ending{EndCause::kLost, 125, "its shim died: how the session ended is not known", {}};
  }
  return found;
}

Result<std::vector<FoundSession>> find_sessions(const Places& attempt, const AttemptKey& key) {
  std::vector<FoundSession> out;
  for (const std::string& id : TRY(ids(attempt))) {
    out.push_back(TRY(find_session(attempt, key, id)));
  }
  return out;
}

Status remove_session(const Places& attempt, const std::string& id) {
  const std::string folder = session_folder(attempt, id);
  const std::optional<shim::LiveProcess> process = TRY(shim::find_process(shim_process(folder)));
  if (process) TRY(shim::end_process(*process, kEndPatience));
  return remove_tree(folder);
}

Status end_sessions(const Places& attempt) {
  for (const std::string& id : TRY(ids(attempt))) {
    const std::optional<shim::LiveProcess> process =
        TRY(shim::find_process(shim_process(session_folder(attempt, id))));
    if (process) TRY(shim::end_process(*process, kEndPatience));
  }
  return ok();
}

}  // namespace devrun::sandbox
