// Which paths of a job's tree are of which kind (docs/volumes.md, "What comes home"): what a job
// writes there comes home, stays with the node, or stays in the change set.
//
// A rule names a path ("/root/proj") and what is below it, or every entry of one name below a path
// ("/root" and ".git": /root/.git, /root/proj/.git). The rule that matches the longest part of a
// path decides; of two that match the same part, the one without a name, and then the later one.
// What no rule matches is kept. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun {

enum class PathKind : uint8_t {
  kHome = 1,  // appears in the volume
  kNode = 2,  // stays on the node for the volume's next jobs; part of no change set
  kKept = 3,  // stays in the change set until somebody applies it
  kLive = 4,  // the live tree itself
  kSite = 5,  // a mount that the nodes' configuration names
  kGone = 6,  // goes with the job
  kBound =
      7,  // another path of the job's own tree, seen there too: what is written there is written to that one
};
std::string_view path_kind_name(PathKind kind);  // "home" …

struct PathRule {
  std::string path;  // absolute, without a slash at its end but for "/" itself
  std::string name;  // empty: the path itself and all below it
  PathKind kind = PathKind::kKept;
  // Of a live path of a submission: the volume that is seen there; empty: the job's own.
  std::string volume = {};
  // Of a live path: where in that volume; of a bound one: where in the job's tree. Empty: of another volume its root,
  // of the own one `path`.
  std::string source = {};
  bool operator==(const PathRule&) const = default;
};
using PathRules = std::vector<PathRule>;
inline constexpr size_t kPathRulesMax = 256;

// `path` is absolute and plain: no "//", "." or "..".
PathKind kind_of_path(const PathRules& rules, std::string_view path);

// The site mount on which `path` lies for a job: the path of the deepest such rule, unless another mount is deeper (a live or
// bound path). Empty: it lies on none.
std::string site_of_path(const PathRules& rules, std::string_view path);

// What holds where nobody says otherwise, for a caller with that home and folder. A folder that is
// the root or one of the system's own (/usr, /etc, …) is not made home by being the caller's.
PathRules default_path_rules(const std::string& home, const std::string& cwd);

// Absolute, without "//", ".", ".." or a slash at its end, at most 4095 bytes, no control characters.
bool is_plain_path(std::string_view path);
// kInvalid, naming the rule, unless somebody may set it: a plain path, or one name below the root;
// of kind home, node, live or kept; none of the root as node or live, nothing in what goes with
// every job.
Status check_path_rule(const PathRule& rule);
// The same of what a submission brings along: a live path, also of another volume, or a bound one. What comes from
// elsewhere may lie in /tmp.
Status check_mount_rule(const PathRule& rule);

}  // namespace devrun
