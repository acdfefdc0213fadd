// The attempt's own cgroups, in a file by name before anything runs in them.
#include <fmt/format.h>

#include "agent/sandbox/device_rules.h"
#include "agent/sandbox/lines.h"
#include "agent/sandbox/setup.h"
#include "agent/sandbox/store_guard.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

Status run(Setup& setup) {
  const CgroupHost& host = setup.ground.parts.cgroups;
  const std::string& parent = setup.ground.options.cgroup_parent;
  std::vector<std::string> made =
      make_cgroups(host, parent, setup.places.name, setup.spec.resources, setup.spec.dev_container);
  if (std::string guard = make_guard_cgroup(host, parent, setup.places.name); !guard.empty()) {
    made.push_back(std::move(guard));
  }
  // Noted before it is complete: the undo goes by this.
  TRY(write_lines(setup.places.cgroups(), made));
  const std::string& server = setup.ground.options.nfs_server;
  const std::string top = host.unified.empty() ? host.guard : host.unified;
  if (!server.empty() && !top.empty()) {
    const std::string folder = fmt::format("{}/{}/{}", top, parent, setup.places.name);
    if (const Status guarded = guard_store(folder, server); !guarded) {
      log::warning("the store's port is not guarded: {}", guarded.error().message);
    }
  }
  for (std::string& folder :
       make_device_rules(host, parent, setup.places.name, setup.grant.devices)) {
    made.push_back(std::move(folder));
  }
  return write_lines(setup.places.cgroups(), made);
}

Status undo(const Ground&, const Places& places) {
  const std::vector<std::string> made = TRY(read_lines(places.cgroups()));
  kill_cgroups(made);
  return remove_cgroups(made);
}

}  // namespace

Step step_cgroup() {
  return {"cgroup", run, undo};
}

}  // namespace devrun::sandbox
