// What the jobs of a volume keep on this node: ~/.cache and the like. A folder for each (user,
// volume, caller, path):
//
//   node_paths/ID/what    whose it is, for people
//   node_paths/ID/kept    a layer, as the kernel's overlay writes them: what jobs have written there
//   node_paths/ID/bytes   how much that is, about; its time is that of the last use
//
// A job sees, at the path, an overlay: its own upper over `kept` over what its snapshot has there. So
// nothing that the snapshot has vanishes, jobs that run at once do not disturb each other, and what
// a job wrote is there for those that begin after its end: its upper is then merged into `kept`, by
// renaming. Of two that wrote one file the later end wins; these are caches.
//
// Bounded for the node: beyond that the least recently used one that no attempt has goes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/sandbox/places.h"
#include "common/base/result.h"
#include "common/model/attempt.h"

namespace devrun::sandbox {

class NodePaths {
 public:
  explicit NodePaths(const std::string& state_folder) : folder_(state_folder + "/node_paths") {}

  // What names that path's folder.
  static std::string id_of(const AttemptSpec& spec, const std::string& path);
  // That folder, made if it is not there; used now.
  Result<std::string> open(const AttemptSpec& spec, const std::string& path) const;
  std::string folder(const std::string& id) const { return folder_ + "/" + id; }

  // Takes what an upper has into `kept` of `id`; the upper is gone then. May be repeated.
  Status merge(const std::string& id, const std::string& upper) const;
  // Removes until no more than `bytes_max` is left, none of those in use, for which it asks only if something has to go.
  Status evict(int64_t bytes_max,
               const std::function<std::vector<std::string>()>& ids_in_use) const;

 private:
  const std::string folder_;
};

// The plain paths of kind node, none below another or below what is live or a mount of the node's.
std::vector<std::string> node_paths_of(const AttemptSpec& spec,
                                       const std::vector<std::string>& mounted);

}  // namespace devrun::sandbox
