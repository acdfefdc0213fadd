#include "controller/core/archive.h"

#include <algorithm>

#include "controller/core/account.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

// Calls in several steps (a snapshot between looking and submitting) count on what they have recalled.
constexpr Duration kRecalledAtLeast = seconds(30);
// More than this at once is more than those calls are worth.
constexpr size_t kRecalledFactorMax = 10;

// Nodes keep attempts of these until their output is stored, or until they have been killed.
std::set<JobId> jobs_on_nodes(const State& state) {
  std::set<JobId> out;
  for (const auto& [name, node] : state.presence.nodes) {
    for (const AttemptKey& key : node.retained) out.insert(key.job);
    for (const AttemptKey& key : node.strays) out.insert(key.job);
  }
  return out;
}

// What the owner's archived jobs will have used, with this one among them.
PastUse use_with(const Turn& turn, const Job& job) {
  const Duration half_life = turn.state.policy.fair_share.half_life;
  Account before;
  const auto known = turn.state.past_use.find(job.spec.user);
  if (known != turn.state.past_use.end()) {
    before.usage = known->second.usage;
    before.as_of = known->second.as_of;
  }
  return {usage_at(before, turn.now, half_life) + usage_of(job, turn.now, half_life), turn.now};
}

bool is_absent(const State& state, JobId job) {
  return job != 0 && job < state.next_job && find_job(state, job) == nullptr;
}

struct Named {
  std::vector<JobId> jobs;

  void operator()(const Submit& input) { jobs = dependencies(input.spec); }
  void operator()(const Cancel& input) { jobs = {input.task.job}; }
  void operator()(const Keep& input) { jobs = {input.job}; }
  void operator()(const Synchronized& input) { add(input.observed); }
  void operator()(const Reported& input) { add(input.observed); }
  void operator()(const OutputStored& input) { jobs = {input.key.job}; }
  template <typename Other>
  void operator()(const Other&) {}

 private:
  void add(const std::vector<ObservedAttempt>& observed) {
    for (const ObservedAttempt& one : observed) {
      if (jobs.empty() || jobs.back() != one.key.job) jobs.push_back(one.key.job);
    }
  }
};

}  // namespace

std::vector<JobId> jobs_to_archive(const State& state, Time now, size_t tasks_max) {
  std::vector<JobId> out;
  const Policy& policy = state.policy;
  const auto is_due = [&](Time ended) {
    return now - ended >= policy.keep_in_memory ||
           state.ended.size() - out.size() > policy.ended_in_memory_max;
  };
  if (state.ended.empty() || !is_due(state.ended.begin()->first)) return out;
  const std::set<JobId> on_nodes = jobs_on_nodes(state);
  size_t tasks = 0;
  for (const auto& [ended, id] : state.ended) {
    if (!is_due(ended) || tasks >= tasks_max) break;
    if (on_nodes.count(id) != 0 || state.followers.count(id) != 0) continue;
    out.push_back(id);
    tasks += std::max<size_t>(state.jobs.at(id).tasks.size(), 1);
  }
  return out;
}

std::vector<JobId> absent_jobs(const State& state, const std::vector<JobId>& jobs) {
  std::vector<JobId> out;
  for (const JobId job : jobs) {
    if (is_absent(state, job)) out.push_back(job);
  }
  std::ranges::sort(out);
  const auto same = std::ranges::unique(out);
  out.erase(same.begin(), same.end());
  return out;
}

std::vector<JobId> absent_jobs(const State& state, const Input& input) {
  Named named;
  std::visit(named, input);
  return absent_jobs(state, named.jobs);
}

std::vector<JobId> absent_dependencies(const Ledger& ledger) {
  std::vector<JobId> out;
  for (const auto& [id, followers] : ledger.followers) {
    if (find_job(ledger, id) == nullptr) out.push_back(id);
  }
  return out;
}

void carry(Carried& carried, const JobArchived& event) {
  carried.next_job = std::max(carried.next_job, event.job + 1);
  if (!event.user.empty()) carried.use[event.user] = event.use;
}

void archived(Turn& turn, const Archived& input) {
  const std::set<JobId> on_nodes = jobs_on_nodes(turn.state);
  for (const JobId id : input.jobs) {
    const auto job = turn.state.jobs.find(id);
    // Meanwhile somebody may have begun to wait for it, or a node come back with it.
    const bool stays = job == turn.state.jobs.end() || !job->second.outcome ||
                       turn.state.followers.count(id) != 0 || on_nodes.count(id) != 0;
    if (stays) continue;
    const std::string user = job->second.spec.user;
    turn.happened(JobArchived{id, user, use_with(turn, job->second)});
  }
}

void recall(Turn& turn, const Recall& input) {
  Ledger& ledger = turn.state;
  if (!input.job.outcome || ledger.jobs.count(input.job.id) != 0) return;
  ledger.recalled.jobs[input.job.id] = {input.job, turn.now};
  const auto followers = ledger.followers.find(input.job.id);
  if (followers == ledger.followers.end()) return;
  for (const JobId id : followers->second) turn.state.schedule.job_changed(id);
}

void forget_recalled(Turn& turn) {
  auto& recalled = turn.state.recalled.jobs;
  const size_t most = turn.state.policy.recalled_max;
  if (recalled.size() <= most) return;
  const std::set<JobId> on_nodes = jobs_on_nodes(turn.state);
  std::vector<std::pair<Time, JobId>> oldest;
  for (const auto& [id, one] : recalled) {
    if (turn.state.followers.count(id) == 0 && on_nodes.count(id) == 0)
      oldest.push_back({one.at, id});
  }
  std::ranges::sort(oldest);
  for (const auto& [at, id] : oldest) {
    if (recalled.size() <= most) return;
    const bool crowded = recalled.size() > most * kRecalledFactorMax;
    if (!crowded && turn.now - at < kRecalledAtLeast) return;
    recalled.erase(id);
  }
}

}  // namespace devrun::controller
