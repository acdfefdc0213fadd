// Where everything of a cluster on one machine lies (docs/architecture.md, "Folders on disk"). All
// paths are absolute and free of symbolic links, so that they can be compared with what the kernel
// shows.
#pragma once

#include <string>

#include "common/base/result.h"

namespace devrun::cluster {

struct Layout {
  std::string folder;

  std::string record() const { return folder + "/cluster.json"; }
  std::string client_config() const { return folder + "/config.yaml"; }
  std::string lock() const { return folder + "/lock"; }
  std::string pki() const { return folder + "/pki"; }
  std::string image() const { return folder + "/store.img"; }
  std::string store() const { return folder + "/store"; }
  std::string volumes() const { return store() + "/volumes"; }
  std::string exported() const { return store() + "/export"; }
  std::string controller() const { return folder + "/controller"; }
  std::string nodes() const { return folder + "/nodes"; }
  std::string node(const std::string& name) const { return nodes() + "/" + name; }
  std::string policy() const { return folder + "/policy.yaml"; }  // need not be there
  std::string shared() const { return folder + "/shared"; }       // $DEVRUN_SHARED, by job
  std::string run() const { return folder + "/run"; }
  std::string nfs() const { return run() + "/nfs"; }
  std::string pid_file(const std::string& daemon) const { return run() + "/" + daemon + ".pid"; }
  std::string log_file(const std::string& daemon) const { return run() + "/" + daemon + ".log"; }
  std::string socket(const std::string& daemon) const { return run() + "/" + daemon + ".sock"; }
  // Below each cgroup controller: the cluster's own, told from those of other clusters by its folder.
  std::string cgroup() const;
};

// For the folder as a user gave it (empty: the default), which need not exist yet.
Result<Layout> layout_of(const std::string& folder);

}  // namespace devrun::cluster
