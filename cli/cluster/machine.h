// What a cluster on one machine consists of: the daemons of the storage host and of each node, with
// their words.
#pragma once

#include <string>

#include "cli/cluster/daemon.h"
#include "cli/cluster/layout.h"
#include "cli/cluster/record.h"
#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::cluster {

// The agent of the storage host, for dev containers.
inline constexpr const char* kStorageAgent = "storage";

struct Programs {
  std::string keeper, controller, agent, fs, shim, gpus, devrun, ganesha;
};
Result<Programs> find_programs();
Result<std::string> find_gpu_probe();

// The whole machine.
Resources machine_resources();
// A node's share of it: divided by the number of nodes, at least one core.
Resources node_share(const Resources& machine, int nodes);

Daemon storage_keeper(const Layout& layout, const Programs& programs);
Daemon nfs_server(const Layout& layout, const Programs& programs, const Record& record);
Daemon controller(const Layout& layout, const Programs& programs, const Record& record);
// The namespace keeper of an agent; `hidden` of its store and with FUSE mounts if it is a node's.
Daemon storage_agent_keeper(const Layout& layout, const Programs& programs);
Daemon node_keeper(const Layout& layout, const Programs& programs, const std::string& node);
Daemon node_fs(const Layout& layout, const Programs& programs, const Record& record,
               const std::string& node);
Daemon node_agent(const Layout& layout, const Programs& programs, const Record& record, int index,
                  const std::string& node);
Daemon storage_agent(const Layout& layout, const Programs& programs, const Record& record);

// All of the above.
std::vector<Daemon> daemons_of(const Layout& layout, const Programs& programs,
                               const Record& record);

// Names of a node's daemons, in the order in which they start.
std::string keeper_name(const std::string& node);
std::string fs_name(const std::string& node);
std::string agent_name(const std::string& node);

}  // namespace devrun::cluster
