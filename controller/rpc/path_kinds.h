// The kinds of a job's paths: what holds for everybody, what the nodes' operators mount, what the
// volume says, and what the submission asks for; and the calls that show and set the volume's.
#pragma once

#include <mutex>

#include "controller/core/state.h"
#include "controller/rpc/identity.h"
#include "controller/storage/storage.h"
#include "devrun/v1/client.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

inline constexpr size_t kVolumePathsMax = 128;
inline constexpr size_t kLivePathsMax = 96;  // bound ones, too
inline constexpr size_t kSitePathsMax = 64;

// kInvalid unless all are live or bound paths that can be.
Status check_live_paths(const PathRules& asked);

// By path, with the nodes that have it, at most kSitePathsMax. Core's thread.
using SitePaths = std::map<std::string, std::vector<std::string>>;
SitePaths site_paths(const State& state);

// The mount that `path` is on, the longest if several are; empty: none.
std::string site_of(const SitePaths& sites, const std::string& path);

// Later ones win over earlier ones of the same path: the defaults, the volume's, what is mounted,
// what this submission asked for.
PathRules effective_paths(const Program& program, const PathRules& of_volume,
                          const SitePaths& sites, const PathRules& asked);

// `set` in the place of those of the same path and name, and without `unset`. Errors say which.
Result<PathRules> changed_paths(PathRules rules, const PathRules& set, const PathRules& unset);

}  // namespace devrun::controller
