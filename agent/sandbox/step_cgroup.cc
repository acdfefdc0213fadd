// The attempt's own cgroups, in a file by name before anything runs in them.
#include "agent/sandbox/lines.h"
#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

Status run(Setup& setup) {
  const std::vector<std::string> made =
      make_cgroups(setup.ground.parts.cgroups, setup.ground.options.cgroup_parent,
                   setup.places.name, setup.spec.resources);
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
