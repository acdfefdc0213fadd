#include "controller/core/schedule_check.h"

#include <fmt/format.h>

#include <cmath>

#include "controller/core/limits.h"
#include "controller/core/restore.h"

namespace devrun::controller {

namespace {

using Problems = std::vector<std::string>;

void compare_rooms(const Rooms& kept, const Rooms& fresh, Problems& out) {
  if (kept.size() != fresh.size()) out.push_back("the schedule does not know all nodes");
  for (NodeId node = 0; node < kept.size(); ++node) {
    const Room& a = kept.at(node);
    const std::optional<NodeId> other = fresh.find(a.name);
    if (!other) continue;
    const Room& b = fresh.at(*other);
    if (a.usable != b.usable || a.free != b.free || a.gpus_free != b.gpus_free ||
        a.gpus_well != b.gpus_well || a.gpu_shares != b.gpu_shares || a.attempts != b.attempts) {
      out.push_back(fmt::format("the schedule has not followed {}", a.name));
    }
  }
}

bool may_start(const State& state, const Job& job) {
  const Limits* pool = limits_of_pool(state.policy, job.spec.pool);
  const Schedule& schedule = state.schedule;
  return limit_reached(limits_of_user(state.policy, job.spec.user),
                       schedule.account_of_user(job.spec.user), job.spec)
             .empty() &&
         (pool == nullptr ||
          limit_reached(*pool, schedule.account_of_pool(job.spec.pool), job.spec).empty());
}

// Of jobs that are eligible: whether the schedule has each, and none that it could place.
void check_waiting(const State& state, Time now, Problems& out) {
  const Schedule& schedule = state.schedule;
  size_t eligible = 0;
  for (const auto& [id, job] : state.jobs) {
    const bool is = next_task(job) && first_unmet(state, job) == nullptr && !at_array_limit(job) &&
                    next_placeable(job, now).has_value();
    if (is != schedule.waits().has(id)) {
      out.push_back(fmt::format("job {} is {}eligible, and the schedule thinks otherwise", id,
                                is ? "" : "not "));
      continue;
    }
    if (!is) continue;
    ++eligible;
    if (!may_start(state, job)) continue;
    const ShapeId shape = schedule.waits().shape_of_job(id);
    const ShapeQueue& queue = schedule.waits().at(shape);
    if (queue.shape != shape_of(job.spec)) {
      out.push_back(fmt::format("job {} waits as what it is not", id));
    }
    std::set<NodeId> fitting;
    for (NodeId node = 0; node < schedule.rooms().size(); ++node) {
      const Room& room = schedule.rooms().at(node);
      const Match of = match(queue.shape, schedule.rooms().kind(room.kind));
      if (Rooms::fits(room, shape, queue.shape, of, now)) fitting.insert(node);
    }
    if (fitting.size() >= queue.shape.nodes && !awaits_nodes(state)) {
      out.push_back(
          fmt::format("job {} waits although {} nodes have room for it", id, fitting.size()));
    }
    for (const NodeId node : fitting) {
      if (queue.known && queue.fitting.count(node) == 0) {
        out.push_back(fmt::format("the schedule does not know that job {} fits on {}", id,
                                  schedule.rooms().at(node).name));
      }
    }
  }
  if (eligible != schedule.waits().size()) out.push_back("the schedule lists jobs that are gone");
}

void check_accounts(const State& state, const Schedule& fresh, Time now, Problems& out) {
  const Duration half_life = state.policy.fair_share.half_life;
  for (const auto& [user, account] : state.schedule.users()) {
    const Account* other = fresh.account_of_user(user);
    const Account none;
    const Account& wanted = other == nullptr ? none : *other;
    if (account.running != wanted.running || account.gpus != wanted.gpus ||
        account.cpu_milli != wanted.cpu_milli) {
      out.push_back(fmt::format("the account of {} is not what runs", user));
    }
    if (std::abs(account.rate - wanted.rate) > 1e-6 * (1 + wanted.rate)) {
      out.push_back(fmt::format("the rate of {} is not what runs", user));
    }
    const double usage = usage_at(account, now, half_life);
    const double expected = usage_at(wanted, now, half_life);
    if (usage < -1e-6 || std::isnan(usage) || std::isnan(expected)) {
      out.push_back(fmt::format("the usage of {} is {}", user, usage));
    }
  }
}

void check_reservations(const State& state, Problems& out) {
  const Schedule& schedule = state.schedule;
  std::map<NodeId, ShapeId> held;
  for (const auto& [shape, reservation] : schedule.reservations()) {
    if (schedule.waits().shapes().count(shape) == 0) {
      out.push_back("nodes are kept for a shape that does not wait");
      continue;
    }
    if (reservation.nodes.size() != schedule.waits().at(shape).shape.nodes) {
      out.push_back("more or fewer nodes are kept than a job needs");
    }
    for (const NodeId node : reservation.nodes) {
      if (!held.emplace(node, shape).second) out.push_back("a node is kept twice");
    }
  }
  for (NodeId node = 0; node < schedule.rooms().size(); ++node) {
    const Room& room = schedule.rooms().at(node);
    const auto it = held.find(node);
    if (room.hold.has_value() != (it != held.end()) ||
        (room.hold && room.hold->shape != it->second)) {
      out.push_back(fmt::format("what is kept on {} and the reservations disagree", room.name));
    }
  }
  if (schedule.reservations().size() > state.policy.reservations_max) {
    out.push_back("there are more reservations than may be");
  }
}

}  // namespace

std::vector<std::string> schedule_problems(const State& state, Time now) {
  Problems out;
  Schedule fresh;
  fresh.begin(state, now);
  compare_rooms(state.schedule.rooms(), fresh.rooms(), out);
  check_waiting(state, now, out);
  check_accounts(state, fresh, now, out);
  check_reservations(state, out);
  return out;
}

}  // namespace devrun::controller
