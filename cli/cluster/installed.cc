#include "cli/cluster/installed.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/cluster/keys.h"

namespace devrun::cluster {

namespace {

bool exists(const std::string& path) {
  std::error_code failed;
  return std::filesystem::exists(path, failed);
}

Status check_machine(const Layout& layout, const std::string& configurations) {
  for (const char* role : {"controller", "agent"}) {
    const std::string file = fmt::format("{}/{}.yaml", configurations, role);
    if (!exists(file)) continue;
    return Error{Code::kConflict,
                 fmt::format("{} says that this machine belongs to a cluster, and {} is that "
                             "cluster's: devrun up would end what runs there",
                             file, layout.folder),
                 fmt::format("systemctl status devrun-{}; for a cluster of its own: devrun up "
                             "--store DIR",
                             role)};
  }
  return ok();
}

}  // namespace

Status check_not_installed(const Layout& layout, const std::string& configurations) {
  if (exists(layout.record())) return ok();
  const Layout usual = TRY(layout_of(""));
  if (layout.folder == usual.folder) TRY(check_machine(layout, configurations));
  // `up` writes its record before it starts a controller.
  if (exists(layout.controller() + "/journal.db")) {
    return Error{Code::kConflict,
                 fmt::format("{} has the jobs of a controller, and no cluster.json: devrun up did "
                             "not make it",
                             layout.controller()),
                 "devrun up --store ANOTHER-DIR; of an installed controller: systemctl status "
                 "devrun-controller"};
  }
  return check_authority(layout);
}

}  // namespace devrun::cluster
