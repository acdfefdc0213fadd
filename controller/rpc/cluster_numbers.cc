#include "controller/rpc/cluster_numbers.h"

#include <algorithm>
#include <cctype>

#include "controller/core/view.h"

namespace devrun::controller {

namespace {

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

}  // namespace

ClusterNumbers cluster_numbers(const State& state, Time now) {
  ClusterNumbers out;
  // States that nothing is in are told, too: a line that comes and goes is no series.
  for (int i = static_cast<int>(JobState::kQueued); i <= static_cast<int>(JobState::kNodeLost);
       ++i) {
    out.jobs[in_lower_case(state_name(static_cast<JobState>(i)))] = 0;
  }
  for (const auto& [id, job] : state.jobs) {
    const JobState now_is = job.outcome ? job.outcome->state : job_state(state, job, now);
    ++out.jobs[in_lower_case(state_name(now_is))];
    if (!is_final(now_is) && now_is != JobState::kQueued) out.users[id] = job.spec.user;
  }
  out.waiting = state.queue.size();
  for (const auto& [user, account] : state.schedule.users()) {
    if (account.gpus > 0) out.gpus_used[user] = static_cast<uint64_t>(account.gpus);
  }
  out.nodes = {{"away", 0}, {"drained", 0}, {"ready", 0}, {"troubled", 0}};
  for (const auto& [name, node] : state.nodes) {
    if (node.lost) continue;
    const char* word = "ready";
    if (!trouble_of(state, name).empty()) word = "troubled";
    if (!node.drained.empty()) word = "drained";
    if (!is_connected(state, name)) word = "away";
    ++out.nodes[word];
    out.promised[name] = {node.used.cpu_milli, node.used.gpus};
  }
  return out;
}

}  // namespace devrun::controller
