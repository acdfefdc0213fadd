#include "cli/cluster/node_files.h"

#include <fmt/format.h>

#include "cli/cluster/machine.h"
#include "cli/cluster/say.h"
#include "common/runtime/child.h"
#include "common/wire/keeper_client.h"

namespace devrun::cluster {

namespace {

constexpr Duration kStartLimit = seconds(15);

Result<std::string> state_format(const std::string& program) {
  const ChildResult said = TRY(run_child({program, "--state-format"}));
  if (said.exit_status != 0) {
    return Error{Code::kUnsupported, fmt::format("{} names no format", program), {}};
  }
  return said.out;
}

}  // namespace

std::string why_files_are_lost(const Layout& layout, const std::string& node) {
  if (!is_running(layout, keeper_name(node))) return {};
  const Result<wire::KeeperSeen> seen = keeper::look(layout.socket(keeper_name(node)));
  return seen ? seen->given_up : std::string();
}

bool can_take_over(const Layout& layout, const Daemon& fs) {
  const auto process = read_pid_file(layout.pid_file(fs.name));
  if (!process || !is_alive(*process)) return true;
  // The file that runs, also where a build has put another in its place.
  const Result<std::string> before = state_format(fmt::format("/proc/{}/exe", process->pid));
  const Result<std::string> after = state_format(fs.words.front());
  return before && after && *before == *after;
}

Status ensure_fs(const Layout& layout, const std::string& node, const Daemon& fs) {
  const bool changes = is_running(layout, fs.name) && !runs_as_it_should(layout, fs);
  TRY(keeper::run(layout.socket(keeper_name(node)),
                  {fs.words, layout.log_file(fs.name), layout.pid_file(fs.name)}));
  if (!changes) return ok();
  say("{}: another devrun-fs takes over its mounts", node);
  return ensure_ended(layout, fs.name);  // the keeper starts the other
}

Status await_fs(const Layout& layout, const std::string& node, const Daemon& fs) {
  std::string lost;
  const bool serves = wait_until(kStartLimit, [&] {
    lost = why_files_are_lost(layout, node);
    return !lost.empty() || (runs_as_it_should(layout, fs) && fs.ready());
  });
  if (serves && lost.empty()) return ok();
  return Error{Code::kUnavailable,
               lost.empty() ? fmt::format("{} does not answer: {}", fs.name,
                                          end_of_log(layout.log_file(fs.name)))
                            : fmt::format("{}: {}", lost, end_of_log(layout.log_file(fs.name))),
               fmt::format("cat {}", layout.log_file(fs.name))};
}

}  // namespace devrun::cluster
