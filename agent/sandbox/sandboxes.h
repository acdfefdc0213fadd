// The attempts of this node on disk: set-up as a list of small steps with undo, start of the shim, what is found after
// a restart, and release. An attempt's folder is `attempts/<folder_name(key)>`; its creation (mkdir, exclusive) is the
// fence that lets no attempt start twice on a node.
//
//   spec       the serialized AttemptSpec, 0600, written before anything else is done
//   bundle/    config.json and rootfs (the overlay's mount point, or the live tree's)
//   upper/ work/   the overlay's, on local disk
//   disk.img disk/  with a limit to the space: upper, work, tmp and var_tmp are links into it
//   output     the output log (records: proto/devrun/v1/client.proto, OutputChunk), appended by the shim
//   exit       the exit record, durable
//   lost       why there is no exit record, if `devrun up` had to end what ran here
//   shim.sock  the shim's socket
//   settled    what it wrote is stored, or nobody wants it (settle_written)
//   left       nobody waits for what it wrote: it is stored when somebody asks, and kept as long as others (leave_written)
//   reads      of a setup step: what it asked of its tree; failed.reads if it failed
//   bound/     mount points of folders from elsewhere (bound.h)
//   exec.ID/   one session: order, output, exit, shim.sock as above
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/gpu/grant.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/attempt.h"

namespace devrun::sandbox {

inline constexpr uint64_t kOutputBytesMax = uint64_t{16} << 30;

// A folder of the host that every container here has, jobs' and dev containers' (site_mounts.h).
struct SiteMount {
  enum class Ids : uint8_t {
    kUser,       // the user's whose container it is, whoever is who inside
    kMapped,     // the same by the mount itself, fast; only what is the user's can be written
    kContainer,  // as inside: who is root there is root here
  };
  std::string source;
  std::string target;
  bool read_only = false;
  Ids ids = Ids::kUser;
};
inline constexpr int64_t kNodePathsBytesMax = int64_t{20} << 30;
inline constexpr std::string_view kSharedInContainer = "/run/devrun/shared";

struct Options {
  std::string node;          // its name; the container's hostname is derived from it
  std::string state_folder;  // CLUSTER/nodes/NAME
  std::string fs_socket;     // devrun-fs's control socket; empty on the storage host
  // The volumes, CLUSTER/store/volumes on the storage host; empty: they cannot be reached from here.
  std::string live_folder;
  std::string shim_program;  // path of devrun-shim
  std::string
      devrun_program;  // path of devrun, bound into containers at /usr/local/bin/devrun if set
  std::string crun_program = "crun";
  std::string cgroup_parent;                    // e.g. devrun/node1
  uint64_t output_bytes_max = kOutputBytesMax;  // of an attempt's output log, but for its tail
  std::string nfs_server;   // ADDRESS:PORT that containers must not reach; empty: none
  gpu::Driver driver = {};  // the GPUs that attempts may have
  Duration upper_kept = seconds(24 * 3600);  // after release
  int64_t scratch_bytes = 0;    // what an attempt may write to the node's disk; 0: no limit
  std::string fs_program = {};  // devrun-fs, for site mounts; empty: none
  std::string live_keeper =
      {};  // a keeper's socket: in whose namespace live_folder is; empty: ours
  std::vector<SiteMount> site_mounts = {};
  std::string shared_folder =
      {};  // of all nodes: a folder in it for each job; empty: there is none
  int64_t node_paths_bytes = kNodePathsBytesMax;  // of all node paths together (node_paths.h)
};

// Who watches a set-up. All are called from the thread of start(); each may be empty.
struct StartWatch {
  std::function<void(const Timeline&)> progress;  // fills timeline.mounted and so on
  // It can go on only once what this sentence says is over, and asks again until then; empty: it goes on.
  std::function<void(const std::string&)> waits = {};
  std::function<bool()> given_up =
      {};  // true: nobody wants it any more; asked every 100 ms while it waits
  // Whether no other container can have its live tree by now; asked when the set-up has failed. Empty: none can.
  std::function<bool()> tree_is_its_own = {};
};

// What a restarted agent finds.
struct Found {
  AttemptSpec spec;
  bool shim_alive = false;
  std::optional<Ending>
      ending;  // from the exit record, or cause kLost if the shim died without one, or kNotStarted
  int64_t output_bytes = 0;
  Timeline timeline;
  bool released = false;  // only the upper is still kept
};

// A program beside the attempt's own, in its container.
struct SessionSpec {
  std::string id;  // [a-z0-9-]
  Program
      program;  // in a dev container with its caller; else the caller is the job's, and an empty cwd the job's
  std::string env;  // NAME=VALUE NUL …; else laid over the job's
};
inline constexpr size_t kSessionsMax = 64;  // that live, of one attempt

struct FoundSession {
  AttemptKey key;
  std::string id;
  bool shim_alive = false;
  std::optional<Ending> ending;  // as Found's
  uint64_t output_bytes = 0;     // with ending
  uint32_t uid = 0;              // of its program
};

// Where what an attempt wrote lies, and what is to become of it.
struct WrittenPlace {
  std::string upper;  // not there: it wrote nothing
  std::string lower;  // the tree below it; empty once it is released
  PathRules paths;
  std::string caller_home;
  Results results = Results::kHome;
  bool live = false;       // a dev container: it wrote to the live tree
  bool ended = false;      // nothing of it runs any more, as its exit record says
  bool released = false;   // only the upper is still kept
  bool settled = false;    // by settle_written
  bool left = false;       // by leave_written
  std::string reads = {};  // of a setup step: the file that tells what it read; empty: none
  bool failed = false;     // with `reads`: of one that failed
};

class WrittenPlaces {
 public:
  virtual ~WrittenPlaces() = default;
  // kNotFound once its folder is gone, or if it has never been here. Any thread.
  virtual Result<WrittenPlace> written_place(const AttemptKey& key) = 0;
  // What it wrote is in the store, or nobody will ever want it. Idempotent; any thread.
  virtual Status settle_written(const AttemptKey& key) = 0;
  // What it wrote and is not in the store stays here, unless somebody asks for it. Durable; idempotent; any thread.
  virtual Status leave_written(const AttemptKey& key) = 0;
};

class Sandboxes : public WrittenPlaces {
 public:
  static Result<std::unique_ptr<Sandboxes>> open(Options options);
  // The GPUs that attempts may have from now on, in place of Options.driver's. Any thread.
  virtual void set_gpus(std::vector<gpu::FoundGpu> gpus) = 0;
  // Sets up and starts the shim, which starts the program; returns once the shim serves its socket. `container_socket`
  // is a listening unix socket's path on the node, `…/sockets/<folder_name>/socket`, in a folder that belongs to this
  // attempt alone. Its PARENT FOLDER is bound read-only at /run/devrun, never the socket file: a bind is by inode, and a
  // restarted agent makes the socket anew, which /run/devrun/socket then finds. Mount points or files that the container
  // needs there (init, devrun) may be made in that folder before the bind. On failure everything is undone but
  // the folder with spec and an exit record (cause kNotStarted, status 125 and what the Error says; a missing cwd
  // likewise). kExists if the attempt has been here before; kCancelled: given up. Waits for a store that is away.
  // Blocking; any thread; a thread per attempt.
  virtual Status start(const AttemptSpec& spec, const std::string& container_socket, Time now,
                       const StartWatch& watch) = 0;

  virtual Result<std::vector<Found>> find() = 0;

  // Starts the shim of a session in an attempt that runs; returns once it serves its socket. kExists if there has been
  // one of that id, kExhausted beyond kSessionsMax. Blocking; any thread, one at a time.
  virtual Status start_session(const AttemptKey& key, const SessionSpec& spec) = 0;
  virtual Result<std::vector<FoundSession>> find_sessions() = 0;
  // Ends its shim, and with it what it runs; removes its folder. Idempotent.
  virtual Status remove_session(const AttemptKey& key, const std::string& id) = 0;
  virtual std::string session_folder(const AttemptKey& key, const std::string& id) const = 0;
  // kNotFound if there is none.
  virtual Result<FoundSession> find_session(const AttemptKey& key, const std::string& id) = 0;

  // Lines of its /etc/hosts, "ADDRESS NAME", beside those that it has. Idempotent.
  virtual Status add_hosts(const AttemptKey& key, const std::vector<std::string>& hosts) = 0;

  // Kills all that is left of the attempt's container (its cgroup) without its shim's help, and changes no file: for a
  // shim that is dead or does not listen. Idempotent; fine if nothing is there.
  virtual Status kill(const AttemptKey& key) = 0;

  // What the attempt has used until now, or in all once it has ended.
  virtual Result<Usage> usage(const AttemptKey& key) = 0;

  // What the attempt wrote: a scan of its upper. Sandbox-made mount points are no writes. Of a setup step that ended
  // well, what it asked of its tree is first kept in its folder (WrittenPlace.reads).
  virtual Result<WrittenSummary> written(const AttemptKey& key) = 0;

  // Takes away again what was made in its live tree to mount over. Only while no other container can have that tree, whose mounts
  // would go with their places: after its last process, before its end is told, and never of one that somebody may have
  // given up. What is left so does no harm. Idempotent; fine if nothing is there.
  virtual Status clear_mount_points(const AttemptKey& key) = 0;

  // Kills what may be left of the container and its shim, unmounts, removes all but `upper` (which collect() removes after
  // upper_kept, unless it is the only copy of something: not settled, and not to be discarded). Idempotent; the attempt may be half set up, or never have been here.
  virtual Status release(const AttemptKey& key) = 0;

  virtual Status collect(Time now) = 0;

  virtual std::string folder(const AttemptKey& key) const = 0;
};

}  // namespace devrun::sandbox
