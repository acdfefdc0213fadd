#include "cli/pilots/look.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/client/enrolment.h"
#include "cli/pilots/admit.h"

namespace devrun::pilots {

namespace {

// So many jobs are looked at: those behind them have their turn when these have found their places.
constexpr uint32_t kQueueLookedAt = 64;
constexpr Duration kTokenValid = seconds(300);

// Of an array, those that it would have run at once now.
uint32_t tasks_that_wait(const cli::JobRecord& job) {
  if (!job.tasks) return 1;
  uint64_t out =
      job.tasks->total - std::min(job.tasks->total, job.tasks->ended() + job.tasks->running);
  if (const uint64_t at_once = job.spec.array_running_max; at_once != 0) {
    out = std::min(out, at_once - std::min(at_once, job.tasks->running));
  }
  return static_cast<uint32_t>(std::min<uint64_t>(out, UINT32_MAX));
}

Result<std::vector<WaitingJob>> waiting_jobs(cli::Controller& controller) {
  std::vector<WaitingJob> out;
  const cli::QueueRecord queue = TRY(controller.read_queue(kQueueLookedAt));
  for (const QueuedJob& queued : queue.jobs) {
    if (queued.job == 0 || queued.place == 0) continue;  // not ours to see, or not to be placed yet
    const Result<cli::JobRecord> job = controller.get_job(queued.job);
    if (!job && job.error().code == Code::kNotFound) continue;
    if (!job) return job.error();
    if (job->spec.dev_container) continue;
    out.push_back({queued.job, job->spec, tasks_that_wait(*job), queued.limited});
  }
  return out;
}

SeenNode seen(const cli::NodeRecord& node) {
  return {node.hello,
          node.used,
          node.connected,
          node.last_heard,
          node.attempts,
          node.drained,
          !node.trouble.empty() || !node.set_aside.empty()};
}

}  // namespace

Result<Seen> look(cli::Controller& controller, const Slurm& slurm, Time now) {
  Seen out{now, {}, {}, {}};
  // In this order: what is placed meanwhile does not wait any more, and is not asked for although its room is taken.
  const std::vector<cli::NodeRecord> nodes = TRY(controller.list_nodes());
  for (const cli::NodeRecord& node : nodes) out.nodes.push_back(seen(node));
  out.pilots = TRY(slurm.pilots());
  out.waiting = TRY(waiting_jobs(controller));
  return out;
}

Status Hands::perform(const Action& action) {
  return std::visit([this](const auto& a) { return one(a); }, action);
}

Status Hands::one(const Ask& action) {
  const auto kind = std::find_if(policy_.kinds.begin(), policy_.kinds.end(),
                                 [&](const Kind& k) { return k.name == action.kind; });
  // Whoever had the name before is over.
  TRY(revoke(action.name));
  submitted_ = TRY(slurm_.submit(*kind, action.name));
  return ok();
}

Status Hands::revoke(const std::string& name) {
  const auto revoked = cli::revoke_node(controller_.target(), name, true);
  if (revoked || revoked.error().code == Code::kNotFound) return ok();
  return revoked.error();
}

// One that was let in before, and of which the controller knows nothing, was taken out of the cluster: it is of no use. One that
// has its certificate is about to come up.
Status Hands::one(const Admit& action) {
  const auto invited = cli::invite_node(controller_.target(), action.name, kTokenValid);
  if (!invited && invited.error().code == Code::kExists) return ok();
  if (!invited) return invited.error();
  const Status handed = slurm_.hand_over(action.job, to_text({invited->join, invited->token}));
  if (handed || handed.error().code != Code::kConflict) return handed;
  return slurm_.cancel(action.job);
}

Status Hands::one(const Drain& action) {
  TRY(controller_.drain_node(action.name, true, action.reason));
  return ok();
}

Status Hands::one(const Undrain& action) {
  TRY(controller_.drain_node(action.name, false, {}));
  return ok();
}

Status Hands::one(const Cancel& action) {
  return slurm_.cancel(action.job);
}

// The listing goes last: until then all of it is done again.
Status Hands::one(const Retire& action) {
  TRY(revoke(action.name));
  TRY(controller_.drain_node(action.name, false, {}));
  TRY(controller_.declare_node_lost(action.name));
  return ok();
}

}  // namespace devrun::pilots
