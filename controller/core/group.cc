#include "controller/core/group.h"

#include <fmt/format.h>

#include <algorithm>

#include "controller/core/group_fit.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

bool setup_is_done(const Task& task) {
  return !task.ranks.empty() &&
         std::all_of(task.ranks.begin(), task.ranks.end(), [](const Rank& rank) {
           return rank.setup_done || rank.phase >= Phase::kRunning;
         });
}

bool has_begun(const Task& task) {
  return std::any_of(task.ranks.begin(), task.ranks.end(),
                     [](const Rank& rank) { return rank.phase >= Phase::kRunning; });
}

const std::set<JobId>* members_of(const State& state, const Job& job) {
  const auto found = state.groups.find(group_leader(job.spec, job.id));
  return found == state.groups.end() ? nullptr : &found->second;
}

bool is_ready(const State& state, JobId member) {
  const Task* task = find_task(state, {member, kNoTask});
  return task != nullptr && setup_is_done(*task);
}

size_t ready_members(const State& state, const Job& job) {
  const std::set<JobId>* members = members_of(state, job);
  if (members == nullptr) return 0;
  return static_cast<size_t>(std::count_if(members->begin(), members->end(),
                                           [&](JobId member) { return is_ready(state, member); }));
}

}  // namespace

JobId group_leader(const JobSpec& spec, JobId id) {
  return spec.group.leader == 0 ? id : spec.group.leader;
}

bool may_go(const State& state, const Job& job, const Task& task) {
  if (job.spec.program.setup.empty() || job.setup) return true;
  if (!setup_is_done(task)) return false;
  if (job.spec.group.size == 0 || has_begun(task)) return true;
  return ready_members(state, job) >= job.spec.group.size;
}

std::vector<std::string> group_hosts(const State& state, const Job& job) {
  std::vector<std::string> out;
  const std::set<JobId>* members = job.spec.group.size == 0 ? nullptr : members_of(state, job);
  if (members == nullptr) return out;
  for (const JobId id : *members) {
    const Job* member = find_job(state, id);
    const Task* task = find_task(state, {id, kNoTask});
    if (member == nullptr || task == nullptr) continue;
    for (size_t rank = 0; rank < task->ranks.size(); ++rank) {
      const auto node = state.nodes.find(task->ranks[rank].node);
      if (node == state.nodes.end()) continue;
      const Group& group = member->spec.group;
      out.push_back(
          fmt::format("{} {}-{}.{}", node->second.hello.address, group.task, rank, group.name));
    }
  }
  return out;
}

namespace {

// "; job 13 has no room yet": that one says why.
std::string say_unplaced(const State& state, const Job& job) {
  const std::set<JobId>* members = members_of(state, job);
  if (members == nullptr) return {};
  for (const JobId id : *members) {
    const Task* task = find_task(state, {id, kNoTask});
    if (task == nullptr || task->outcome || is_placed(*task)) continue;
    const std::string beside = beside_itself(state, job);
    return beside.empty() ? fmt::format("; job {} has no room yet", id) : "; " + beside;
  }
  return {};
}

}  // namespace

std::string say_group_wait(const State& state, const Job& job, const Task& task) {
  const Group& group = job.spec.group;
  if (group.size == 0 || !setup_is_done(task) || has_begun(task)) return {};
  return fmt::format("waits for the rest of its group {}: {} of {} are ready{}", group.name,
                     ready_members(state, job), group.size, say_unplaced(state, job));
}

Status check_member(const State& state, const JobSpec& spec) {
  const Group& group = spec.group;
  if (group.size == 0 || group.leader == 0) return ok();
  const Job* leader = find_job(state, group.leader);
  const auto members = state.groups.find(group.leader);
  const bool known = leader != nullptr && leader->spec.user == spec.user &&
                     leader->spec.group.leader == 0 && leader->spec.group.size == group.size &&
                     leader->spec.group.name == group.name && members != state.groups.end();
  if (!known || leader->outcome) {
    return Error{Code::kConflict,
                 fmt::format("job {} leads no group '{}' any more that another job could join",
                             group.leader, group.name),
                 fmt::format("devrun show {}", group.leader)};
  }
  if (members->second.size() < group.size) return ok();
  return Error{Code::kConflict,
               fmt::format("the group of job {} has its {} members", group.leader, group.size),
               fmt::format("devrun show {}", group.leader)};
}

void member_is_ready(Turn& turn, JobId id) {
  const Job* job = find_job(turn.state, id);
  if (job == nullptr || job->spec.group.size == 0) return;
  const std::set<JobId>* members = members_of(turn.state, *job);
  if (members == nullptr) return;
  for (const JobId member : std::set<JobId>(*members)) {
    if (member != id) send_desired(turn, {member, kNoTask});
    turn.act(TaskChanged{{member, kNoTask}});
  }
}

void member_ended(Turn& turn, JobId id) {
  const Job* job = find_job(turn.state, id);
  if (job == nullptr || job->spec.group.size == 0 || !job->outcome) return;
  const std::set<JobId>* found = members_of(turn.state, *job);
  if (found == nullptr) return;
  const std::set<JobId> members = *found;
  const Group group = job->spec.group;
  const bool failed = job->outcome->state != JobState::kSucceeded;
  if (failed && group.secondary) {
    // Ended because the others have; or by itself, which ends the others.
    const bool asked = job->outcome->state == JobState::kCancelled;
    if (asked) return;
  }
  const bool primary_left = std::any_of(members.begin(), members.end(), [&](JobId member) {
    const Job* other = find_job(turn.state, member);
    return other != nullptr && !other->spec.group.secondary && !other->outcome;
  });
  const std::string reason = failed
                                 ? fmt::format("{} of its group {} (job {}) ended {}", group.task,
                                               group.name, id, state_name(job->outcome->state))
                                 : fmt::format("what its group {} is for has ended", group.name);
  for (const JobId member : members) {
    const Job* other = find_job(turn.state, member);
    if (other == nullptr || other->outcome || member == id) continue;
    const bool over = failed || (other->spec.group.secondary && !primary_left);
    if (over) (void)cancel(turn, Cancel{{member, kNoTask}, 0, reason});
  }
}

}  // namespace devrun::controller
