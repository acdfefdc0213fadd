// The controller as the commands see it: one method per call of proto/devrun/v1/client.proto, in
// values of the model. Errors carry the controller's own words; a controller that cannot be reached
// is kUnavailable with what to do. Blocking; any thread. The first call connects.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/client/attach_stream.h"
#include "cli/client/monitor.h"
#include "cli/client/target.h"
#include "cli/client/volumes.h"
#include "cli/client/watch_stream.h"
#include "cli/output/records.h"
#include "common/base/result.h"

namespace devrun::cli {

struct WhoAmI {
  std::string controller_version;
  std::string role;  // admin, user
  std::string user;
  std::string volume;  // of the container that the call comes from
  JobId job = 0;       // likewise
};

struct Submission {
  std::string request_id;  // the same again is the same job
  JobSpec spec;
  std::string env;
  std::string snapshot = {};  // of the volume; empty: a new one
  // That job, or task, again: of `spec` only the program's argv (empty: that job's) and streams count.
  std::optional<TaskKey> again = {};
  bool again_failed = false;  // of an array, those of its tasks that have failed
  bool tell_site = false;     // we listen to Submitted.site
};
struct Submitted {
  JobId job = 0;
  Digest tree;
  Timeline timeline;
  std::string site =
      {};  // the mount of the nodes' that our folder is on; empty: none, or the user knows
};

struct SessionRecord {
  std::string user;
  std::vector<std::string> argv;
  Time since;
};

// As ListJobsRequest in client.proto says.
struct JobQuery {
  bool all = false;  // also those that ended long ago and, for an administrator, other users'
  Time since = {};
  Time until = {};
  std::string user = {};
  std::vector<JobState> states = {};
  std::string name = {};
  std::optional<int32_t> exit_status = {};
  bool failed = false;
  std::vector<std::pair<std::string, std::optional<std::string>>> labels = {};
  std::vector<std::string> words = {};
  JobId before = 0;
  uint32_t limit = 0;
  std::vector<JobId> jobs = {};  // of these alone
};
inline constexpr size_t kJobsByNumberMax = 1000;

struct LogQuery {
  AttemptKey what;
  uint64_t offset = 0;
  bool follow = false;
  std::optional<LogBegin> begin = {};  // instead of `offset`
  uint32_t attempt = 0;  // whose output; 0: the newest one's. Those after it follow with `follow`
};
struct LogPiece {
  uint32_t attempt = 0;  // a new one's output begins at offset 0
  uint64_t offset = 0;
  std::string_view bytes;
  uint64_t missing = 0;         // after these, bytes that will not come
  uint64_t missing_before = 0;  // with a new attempt: of the former one's
};

class Controller {
 public:
  explicit Controller(Target target);
  ~Controller();

  const Target& target() const { return target_; }

  Result<WhoAmI> hello();
  // Tries again for a short while if the controller is away, with the same request id. `interrupt`
  // (any thread) ends it.
  Result<Submitted> submit(const Submission& submission,
                           const std::function<void(const Error&)>& waits = {});
  void interrupt();
  // Any thread: questions and streams that are under way end soon with kCancelled, and later ones at once. For who leaves.
  void cancel_calls();
  // Whether it is connected, waiting at most so long. After a break only this brings the connection
  // back: a call on a broken one fails at once, and nobody would drive the new one's handshake.
  bool wait_connected(std::chrono::milliseconds at_most);
  std::unique_ptr<AttachStream> attach(const AttachStart& start);
  // Of a job: those that others, or we, have open in it.
  Result<std::vector<SessionRecord>> list_sessions(JobId job);
  std::unique_ptr<WatchStream> watch(const WatchWish& wish);
  // ── for monitors (monitor.cc) ──
  Result<std::vector<LoadSeries>> read_series(const SeriesQuery& query);
  Result<QueueRecord> read_queue(uint32_t limit);  // the first so many
  Result<UseRecord> read_use(Time since, bool all);

  Result<JobList> list_jobs(const JobQuery& query);
  Result<JobRecord> get_job(JobId job);
  // Of an array's task, the record is about that task alone.
  Result<JobRecord> get_job(const TaskKey& task);
  // 0: TERM, grace, KILL; else that signal alone. The state before it.
  Result<JobState> cancel(const TaskKey& task, int signal);
  // Calls `piece` with each piece of the log, which begins at `query.offset`, or where `query.begin` says.
  Status read_log(const LogQuery& query, const std::function<Status(const LogPiece&)>& piece);

  // ── volumes and snapshots (volumes.cc); those with words may take minutes ──
  Status create_volume(const VolumeRequest& request, const ProgressWords& words);
  // Sends what `archive` gives to its end, and then asks `whole` whether that was all of it: a
  // failure there leaves everything as it was.
  Status fill_volume(const FillRequest& request, int archive, const std::function<Status()>& whole,
                     const ProgressWords& words);
  Result<std::vector<VolumeRecord>> list_volumes(bool removed = false);
  Result<Time> remove_volume(const std::string& name);  // kept until then
  Status return_volume(const std::string& name);
  Status set_quota(const std::string& volume, int64_t bytes);  // 0: none
  Result<UsageRecord> usage(const std::string& volume);        // empty: of all
  Result<std::vector<SnapshotRecord>> list_snapshots(const std::string& volume);
  Result<SnapshotRecord> create_snapshot(const std::string& volume, const std::string& message);
  Result<SnapshotRecord> remove_snapshot(const SnapshotName& name);
  Result<RestoredRecord> restore_snapshot(const SnapshotName& name,
                                          const std::vector<std::string>& paths,
                                          const ProgressWords& words);
  // `begin` with what is compared, then `change` for each.
  Status diff_snapshots(
      const SnapshotName& before, const SnapshotName& after,
      const std::function<void(const SnapshotRecord&, const SnapshotRecord&)>& begin,
      const std::function<Status(const ChangeRecord&)>& change);
  // kExhausted beyond `bytes_max`.
  Result<std::string> read_snapshot_file(const SnapshotName& name, const std::string& path,
                                         uint64_t bytes_max);

  // ── what jobs wrote (paths_and_changes.cc) ──
  // `begin` with each change set, then `change` for each entry of it. `fresh`: running ones are asked
  // for what they wrote since.
  struct ChangesQuery {
    JobPart of;
    std::vector<std::string> paths;
    bool fresh = true;
  };
  Status list_changes(const ChangesQuery& query,
                      const std::function<Status(const ChangeSetRecord&)>& begin,
                      const std::function<Status(const JobChangeRecord&)>& change);
  // By change set.
  Result<std::vector<TakenRecord>> take_changes(const TakeWish& wish, const ProgressWords& words);
  Result<std::vector<TakenRecord>> undo_changes(const JobPart& of, const ProgressWords& words);
  // `begin` with the two trees that are compared.
  Status compare_trees(const TreeName& before, const TreeName& after,
                       const std::function<void(const Digest&, const Digest&)>& begin,
                       const std::function<Status(const ChangeRecord&)>& change);
  Result<std::string> read_tree_file(const TreeName& tree, const std::string& path,
                                     uint64_t bytes_max);

  // ── kinds of paths (paths_and_changes.cc); `home` and `cwd` are a caller's, whose defaults are told ──
  Result<VolumePathsRecord> volume_paths(const std::string& volume, const std::string& home,
                                         const std::string& cwd);
  Result<VolumePathsRecord> set_volume_paths(const PathsChange& change, const std::string& home,
                                             const std::string& cwd);

  Result<std::vector<NodeRecord>> list_nodes();
  Result<NodeRecord> show_node(const std::string& name);  // with its file system's counters
  // Out of use for that reason, or in use again.
  Result<NodeRecord> drain_node(const std::string& name, bool drained, const std::string& reason);
  // What would become of the submission now.
  Result<ForesightRecord> foresee(const Submission& submission);
  Result<std::vector<AttemptKey>> declare_node_lost(const std::string& name);

 private:
  void wait_for_another_try();
  struct Connection;

  Target target_;
  std::unique_ptr<Connection> connection_;
};

// A random UUID.
Result<std::string> new_request_id();

}  // namespace devrun::cli
