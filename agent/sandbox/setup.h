// Set-up of an attempt as a list of steps, each in a file of its own. A step's undo is idempotent and safe without the do: it
// goes by what is on disk alone, so that it also cleans up after a crash, and release() is nothing but all undos in
// reverse. When a step fails, its own undo and those before it run.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/gpu/grant.h"
#include "agent/sandbox/bound.h"
#include "agent/sandbox/cgroups.h"
#include "agent/sandbox/passwd.h"
#include "agent/sandbox/places.h"
#include "agent/sandbox/sandboxes.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::sandbox {

struct PreparedTree {
  std::string path;                      // the whole of it
  std::vector<std::string> layers = {};  // for an overlay, topmost first; empty: `path`
  bool watched = false;  // what is asked of it is noted: nothing may ask but the program
};

// What the steps need from outside; tests put their own there.
struct Parts {
  // devrun-fs. kUnavailable: the store is away, ask again; kCancelled: `given_up` said so.
  std::function<Result<PreparedTree>(const AttemptSpec&, const std::function<bool()>& given_up)>
      prepare_tree;
  // What a setup step asked of the tree that was prepared for it.
  std::function<Result<std::string>(const AttemptKey&)> watched = {};
  CgroupHost cgroups;
  std::string seccomp;  // compile_seccomp; empty: none
  gpu::Driver driver = {};
  Passwd passwd = {};
};

// What they share.
struct Ground {
  Options options;
  Parts parts;
};

// One set-up under way.
struct Setup {
  const Ground& ground;
  const AttemptSpec& spec;
  const Places& places;
  std::string container_socket;  // empty: none
  Timeline& timeline;
  const StartWatch& watch;
  gpu::Grant grant{};  // this and the program's environment: filled in before the first step
  std::vector<std::string> environment{};
  std::vector<BoundFolder> bound{};  // from step_bound and step_node_paths to step_config
  std::set<uint32_t> site_groups{};  // inside, of the user's on site mounts
  UniqueFd shim_ready{};             // from step_shim to step_go
  UniqueFd shim_go{};
};

struct Step {
  std::string_view name;
  std::function<Status(Setup&)> run;
  std::function<Status(const Ground&, const Places&)> undo;
  bool looks_at_wishes =
      false;  // what it calls kInvalid is the caller's; of another step it is the node's
  // Its undo is for a set-up that failed; a release, which may come after another container has the tree, leaves it.
  bool only_before_its_end = false;
};

Step step_cgroup();        // its cgroups, where the host has controllers
Step step_scratch();       // with a limit to what may be written: a file system for that
Step step_shim();          // the shim, waiting: it enters the cgroups while the rest goes on
Step step_root();          // the overlay, or the live tree, at bundle/rootfs
Step step_folder();        // the caller's folder is there
Step step_files();         // /etc/hosts and the like, /tmp, what goes to /run/devrun
Step step_bound();         // live paths, the node's own mounts, the job's shared folder
Step step_node_paths();    // what the volume's jobs keep on this node
Step step_mount_points();  // made in a live tree, and taken away again
Step step_config();        // config.json
Step step_go();            // the shim may run crun

// Sandboxes::clear_mount_points.
Status clear_mount_points(const Ground& ground, const Places& places);

// Also of what was kept after the attempt's release. Idempotent.
Status remove_scratch(const Places& places);

std::vector<Step> all_steps();

Time wall_clock();

}  // namespace devrun::sandbox
