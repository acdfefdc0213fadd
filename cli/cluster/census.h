// Who and what on this machine belongs to a cluster, found by looking rather than by remembering,
// so that `down` also works after `up` was killed half-way or pid files were lost:
// - its processes: those in its pid files, our programs and nfs-ganesha with a path below the
//   cluster's folder among their words, and whoever lives in a mount namespace that has a mount of
//   the cluster's (containers);
// - its mounts, in any process's mountinfo: on a folder of the cluster, of a folder of the cluster,
//   of the store's loop device, or an overlay whose upper layer is there.
// Mounts that our own namespace shows at the same place (the user's disk under the folder, say) are
// nobody's of ours.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/cluster/layout.h"
#include "cli/cluster/process.h"

namespace devrun::cluster {

// One line of mountinfo, as far as it matters here.
struct MountLine {
  std::string device;  // major:minor
  std::string root;    // of the mounted file system
  std::string mount_point;
  std::string type;
  std::string source;
  std::string options;  // of the file system
};
std::optional<MountLine> parse_mount_line(std::string_view line);

// Where the cluster's folder is on its file system, to recognize bind mounts of parts of it
// elsewhere.
struct FolderOnDisk {
  std::string device;
  std::string root;
};
FolderOnDisk find_on_disk(const std::string& folder, const std::vector<MountLine>& mounts);

bool belongs(const MountLine& line, const Layout& layout, const FolderOnDisk& on_disk,
             const std::set<std::string>& loop_devices);

struct Member {
  ProcessId process;
  std::string program;  // devrun-agent, ganesha.nfsd, python3.11 …
  bool ours = false;    // one of our programs, rather than one in a container
};

struct Census {
  std::vector<Member> members;
  std::vector<std::string>
      own_mounts;  // in our own namespace, by mount point, in the order of mounting
  std::vector<std::string> loop_devices;  // of store.img: /dev/loop3
};
Census take_census(const Layout& layout);

// The loop devices whose file is `image`.
std::vector<std::string> loop_devices_of(const std::string& image);

}  // namespace devrun::cluster
