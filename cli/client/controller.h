// The controller as the commands see it: one method per call of proto/devrun/v1/client.proto, in
// values of the model. Errors carry the controller's own words; a controller that cannot be reached
// is kUnavailable with what to do. Blocking; any thread. The first call connects.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cli/client/attach_stream.h"
#include "cli/client/target.h"
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
};
struct Submitted {
  JobId job = 0;
  Digest tree;
  Timeline timeline;
};

struct SessionRecord {
  std::string user;
  std::vector<std::string> argv;
  Time since;
};

struct LogQuery {
  AttemptKey what;
  uint64_t offset = 0;
  bool follow = false;
};

struct FromDebootstrap {
  std::string suite;
  std::vector<std::string> include;
};
struct FromFolder {
  std::string path;
};
struct Empty {};
struct VolumeRequest {
  std::string name;
  std::variant<FromDebootstrap, FromFolder, Empty> source;
};

class Controller {
 public:
  explicit Controller(Target target);
  ~Controller();

  const Target& target() const { return target_; }

  Result<WhoAmI> hello();
  // Tries again for a short while if the controller is away, with the same request id. `interrupt`
  // (any thread) ends it.
  Result<Submitted> submit(const Submission& submission);
  void interrupt();
  // Whether it is connected, waiting at most so long. After a break only this brings the connection
  // back: a call on a broken one fails at once, and nobody would drive the new one's handshake.
  bool wait_connected(std::chrono::milliseconds at_most);
  std::unique_ptr<AttachStream> attach(const AttachStart& start);
  // Of a job: those that others, or we, have open in it.
  Result<std::vector<SessionRecord>> list_sessions(JobId job);
  // `all`: other users' jobs too, for administrators.
  std::unique_ptr<WatchStream> watch(bool all);

  Result<JobList> list_jobs(bool all);
  Result<JobRecord> get_job(JobId job);
  // 0: TERM, grace, KILL; else that signal alone. The state before it.
  Result<JobState> cancel(const TaskKey& task, int signal);
  // Calls `bytes` with each piece of the log, which begins at `query.offset`.
  Status read_log(const LogQuery& query,
                  const std::function<Status(uint64_t offset, std::string_view)>& bytes);

  Status create_volume(const VolumeRequest& request,
                       const std::function<void(std::string_view)>& progress);
  Result<std::vector<VolumeRecord>> list_volumes();
  Result<Time> remove_volume(const std::string& name);  // kept until then

  Result<std::vector<NodeRecord>> list_nodes();
  Result<std::vector<AttemptKey>> declare_node_lost(const std::string& name);

 private:
  struct Connection;

  Target target_;
  std::unique_ptr<Connection> connection_;
};

// A random UUID.
Result<std::string> new_request_id();

}  // namespace devrun::cli
