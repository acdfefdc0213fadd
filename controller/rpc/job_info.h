// Jobs and nodes as clients are shown them, read off the state on the core's thread.
#pragma once

#include <optional>

#include "common/runtime/seal.h"
#include "controller/core/view.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/log_start.h"
#include "devrun/v1/client.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

inline constexpr size_t kAttemptsShownMax = 10'000;

enum class Detail {
  kRow,      // without `wrote`; of an array, no attempts
  kLiveRow,  // the same, but of an array the attempts of the first tasks that live
  kFull,
};

// With a task, which must be one of the array's: as GetJobRequest says.
pb::JobInfo job_info(const State& state, const Job& job, Time now, Detail detail,
                     std::optional<int32_t> task = {}, Explained* known = nullptr);
// NAMEs of a sealed environment.
Result<std::vector<std::string>> env_names(const Sealer& sealer, const std::string& sealed);

pb::NodeInfo node_info(const State& state, const Node& node, Time now);

LogStart from_proto(const pb::LogStart& in);

inline constexpr size_t kListedMax = 1000;
inline constexpr Duration kRecent = seconds(3600);

// kNotFound if there is none about which the caller may make this call.
Result<const Job*> visible_job(const State& state, const Who& who, JobId id);
// A job in which the caller may open a session. As visible_job; a dev container is also there for the other users of
// its volume, each as themselves (exec_call.cc checks that).
Result<const Job*> openable_job(const State& state, const Who& who, JobId id);
Result<TaskView> task_view(const State& state, const Job& job, TaskKey key, uint32_t rank,
                           Time now);
Result<TaskView> visible_task(const State& state, const Who& who, TaskKey key, uint32_t rank,
                              Time now);

}  // namespace devrun::controller
