#include "controller/core/alternatives.h"

#include <algorithm>
#include <vector>

#include "controller/core/explain.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

constexpr size_t kLookedAtMax = 64;  // at a tick

bool choose(Turn& turn, JobId id) {
  const Job* job = find_job(turn.state, id);
  if (job == nullptr || !may_choose(*job) || !turn.state.schedule.waits().has(id)) return false;
  for (const Resources& one : job->spec.alternatives) {
    if (!has_room(turn.state, asking_for(job->spec, one), turn.now)) continue;
    if (one == job->spec.per_node) return false;  // it is about to be placed
    turn.happened(JobReshaped{id, one});
    turn.act(TaskChanged{{id, kNoTask}});
    return true;
  }
  return false;
}

}  // namespace

bool may_choose(const Job& job) {
  return job.spec.alternatives.size() > 1 && std::ranges::none_of(job.tasks, [](const auto& task) {
           return is_placed(task.second) || !task.second.past.empty();
         });
}

JobSpec asking_for(const JobSpec& spec, const Resources& what) {
  JobSpec out;
  out.user = spec.user;
  out.per_node = what;
  out.nodes = spec.nodes;
  out.pool = spec.pool;
  out.node_labels = spec.node_labels;
  out.time_limit = spec.time_limit;
  out.dev_container = spec.dev_container;
  return out;
}

bool choose_first(Turn& turn) {
  bool any = false;
  for (const JobId id : turn.state.schedule.take_new_choosers()) any = choose(turn, id) || any;
  return any;
}

void choose_again(Turn& turn) {
  const std::set<JobId>& all = turn.state.schedule.choosers();
  if (all.empty()) return;
  std::vector<JobId> some;
  // Second by second others come first.
  const auto skipped =
      static_cast<ptrdiff_t>(static_cast<uint64_t>(turn.now.us / 1'000'000) % all.size());
  auto at = std::next(all.begin(), all.size() > kLookedAtMax ? skipped : 0);
  while (some.size() < std::min(all.size(), kLookedAtMax)) {
    some.push_back(*at);
    if (++at == all.end()) at = all.begin();
  }
  for (const JobId id : some) choose(turn, id);
}

}  // namespace devrun::controller
