#include "controller/core/invariants.h"

#include <fmt/format.h>

#include "common/model/fits.h"
#include "common/model/resources.h"
#include "controller/core/group.h"
#include "controller/core/node_use.h"

namespace devrun::controller {

namespace {

using Problems = std::vector<std::string>;

void check_node(const Ledger& ledger, const std::string& name, const Node& node, Problems& out) {
  Node sum;
  Resources& used = sum.used;
  for (const AttemptKey& key : node.live) {
    const Rank* rank = find_rank(ledger, key);
    if (rank == nullptr || rank->node != name || rank->ending) {
      out.push_back(fmt::format("{} holds {}, which does not live there", name, folder_name(key)));
      continue;
    }
    if (rank->phase >= Phase::kCompleting) continue;
    const Resources need = taken_by(ledger.jobs.at(key.job).spec);
    for (const uint32_t gpu : rank->gpus) {
      const bool shared = need.gpu_milli != 0 && sum.gpu_shares.count(gpu) != 0;
      if (!shared && sum.gpus_used.count(gpu) != 0) {
        out.push_back(fmt::format("{}: GPU {} is given twice", name, gpu));
      }
    }
    add_use(sum, need, rank->gpus);
  }
  for (const auto& [gpu, shares] : sum.gpu_shares) {
    if (shares.milli > 1000) out.push_back(fmt::format("{}: GPU {} is given twice", name, gpu));
  }
  if (used != node.used || sum.gpus_used != node.gpus_used || sum.gpu_shares != node.gpu_shares)
    out.push_back(fmt::format("{}: `used` is not the sum of what lives", name));
  const Resources& total = node.hello.total;
  if (!covers(total, used)) {
    out.push_back(fmt::format("{} is over-committed", name));
  }
}

void check_task(const Ledger& ledger, TaskKey key, const Task& task, Problems& out) {
  std::set<std::string> nodes;
  for (uint32_t i = 0; i < task.ranks.size(); ++i) {
    const Rank& rank = task.ranks[i];
    nodes.insert(rank.node);
    const bool lives = ledger.nodes.at(rank.node).live.count({key.job, key.task, i, task.attempt});
    if (lives == rank.ending.has_value()) {
      out.push_back(fmt::format("rank {} of {}: live on its node and ended", i, to_string(key)));
    }
    if (task.outcome && !rank.ending) {
      out.push_back(fmt::format("{} has an outcome, but rank {} lives", to_string(key), i));
    }
  }
  if (task.past.size() != (is_placed(task) ? task.attempt - 1 : task.attempt)) {
    out.push_back(fmt::format("{} has not kept all its past attempts", to_string(key)));
  }
  for (const PastAttempt& past : task.past) {
    for (const Rank& rank : past.ranks) {
      if (!rank.ending) out.push_back(fmt::format("{}: a past attempt lives", to_string(key)));
    }
  }
  if (nodes.size() != task.ranks.size()) {
    out.push_back(fmt::format("{} has two ranks on one node", to_string(key)));
  }
}

void check_job(const Ledger& ledger, const Job& job, Problems& out) {
  uint32_t open = 0;
  uint32_t running = 0;
  uint32_t failed = 0;
  for (const auto& [index, task] : job.tasks) {
    check_task(ledger, {job.id, index}, task, out);
    if (task.outcome) {
      if (task.outcome->state != JobState::kSucceeded) ++failed;
      continue;
    }
    ++open;
    if (is_placed(task)) ++running;
  }
  if (open != job.open_tasks || running != job.running_tasks || failed != job.failed_tasks) {
    out.push_back(fmt::format("job {}: its counts are wrong", job.id));
  }
  const bool waits = next_task(job).has_value();
  if (waits != (ledger.queue.count({-int64_t{job.spec.priority}, job.id}) != 0)) {
    out.push_back(fmt::format("job {}: queued and waiting disagree", job.id));
  }
  const bool is_ended = job.outcome && ledger.ended.count({job.outcome->at, job.id}) != 0;
  if (is_ended != job.outcome.has_value()) {
    out.push_back(
        fmt::format("job {}: has its outcome, and not its place among the ended", job.id));
  }
  if (job.outcome.has_value() == (waits || open != 0)) {
    out.push_back(fmt::format("job {}: ended and having open tasks disagree", job.id));
  }
  if (job.spec.array_running_max != 0 && !job.spec.array.empty() &&
      running > job.spec.array_running_max) {
    out.push_back(fmt::format("job {} runs more tasks than it allows", job.id));
  }
}

void check_followers(const Ledger& ledger, Problems& out) {
  std::map<JobId, std::set<JobId>> followers;
  std::map<JobId, std::set<JobId>> groups;
  size_t ended = 0;
  for (const auto& [id, job] : ledger.jobs) {
    if (job.spec.group.size != 0) groups[group_leader(job.spec, id)].insert(id);
    if (job.outcome) {
      ++ended;
      continue;
    }
    for (const JobId before : awaited(job)) followers[before].insert(id);
  }
  if (groups != ledger.groups) out.push_back("`groups` is not what jobs are members of");
  if (followers != ledger.followers) out.push_back("`followers` is not what live jobs wait for");
  if (ended != ledger.ended.size()) out.push_back("`ended` has jobs that have gone");
}

}  // namespace

std::vector<std::string> broken_invariants(const Ledger& ledger) {
  Problems out;
  for (const auto& [name, node] : ledger.nodes) check_node(ledger, name, node, out);
  for (const auto& [id, job] : ledger.jobs) check_job(ledger, job, out);
  check_followers(ledger, out);
  for (const auto& [volume, id] : ledger.dev_containers) {
    const Job* job = find_job(ledger, id);
    if (job == nullptr || job->outcome) {
      out.push_back(fmt::format("the dev container of {} is kept but over", volume));
    }
  }
  return out;
}

}  // namespace devrun::controller
