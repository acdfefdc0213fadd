#include "controller/core/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"
#include "common/model/ending.h"
#include "controller/core/alternatives.h"
#include "controller/core/group_fit.h"
#include "controller/core/limits.h"
#include "controller/core/restore.h"
#include "controller/core/shortage.h"
#include "controller/core/turn.h"

namespace devrun::controller {

namespace {

constexpr size_t kAlternativesToldMax = 3;

std::string of_waited(const Job& job, const Job& unmet) {
  if (unmet.id == awaited_setup(job)) {
    return fmt::format("its setup runs as job {}{}", unmet.id,
                       job.setup->waits ? ", which another launch began" : "");
  }
  const auto names = [&](const std::vector<JobId>& ids) {
    return std::find(ids.begin(), ids.end(), unmet.id) != ids.end();
  };
  const char* must = names(job.spec.after) ? "end" : names(job.spec.after_ok) ? "succeed" : "fail";
  return fmt::format("job {} has to {} first", unmet.id, must);
}

// What keeps a task of it from being among those that could be placed; empty: nothing.
std::string of_itself(const State& state, const Job& job) {
  if (const Job* unmet = first_unmet(state, job)) return of_waited(job, *unmet);
  if (at_array_limit(job)) {
    return fmt::format("{} of its tasks run, as many as it allows at once", job.running_tasks);
  }
  const std::optional<int32_t> next = next_task(job);
  if (next && root_to_derive(job, {job.id, *next})) {
    return "its file system is being made of its snapshot and what came before";
  }
  return {};
}

Shortage of_limits(const State& state, const JobSpec& spec) {
  const Schedule& schedule = state.schedule;
  const Limits& of_user = limits_of_user(state.policy, spec.user);
  const std::string own = limit_reached(of_user, schedule.account_of_user(spec.user), spec);
  if (!own.empty()) {
    return {fmt::format("limit of user {}: {}", spec.user, own), is_above(of_user, spec), true};
  }
  const Limits* pool = limits_of_pool(state.policy, spec.pool);
  if (pool == nullptr) return {};
  const std::string of_pool = limit_reached(*pool, schedule.account_of_pool(spec.pool), spec);
  if (of_pool.empty()) return {};
  return {fmt::format("limit of pool '{}': {}", spec.pool, of_pool), is_above(*pool, spec), true};
}

std::optional<ShapeId> known_shape(const State& state, const Shape& shape) {
  const auto& known = state.schedule.waits().by_key();
  const auto it = known.find(key_of(shape));
  if (it == known.end()) return {};
  return it->second;
}

Shortage of_one_shape(const State& state, const JobSpec& spec, Time now, Explained* known) {
  if (awaits_nodes(state)) return {why_nothing_is_placed(state), false};
  Shortage limits = of_limits(state, spec);
  if (!limits.words.empty()) return limits;
  const Shape shape = shape_of(spec);
  const std::optional<ShapeId> id = known_shape(state, shape);
  if (known == nullptr || !id) return shortage(state, shape, id, now);
  const auto [found, is_first] = known->of_shape.try_emplace(*id);
  if (is_first) found->second = shortage(state, shape, id, now);
  return found->second;
}

// Of one that may still choose: what is in the way of each, unless nothing is in that of one.
Shortage of_alternatives(const State& state, const JobSpec& spec, Time now, Explained* known) {
  Shortage out{"", true};
  size_t n = 0;
  for (const Resources& one : spec.alternatives) {
    const Shortage what = of_one_shape(state, asking_for(spec, one), now, known);
    if (what.words.empty()) return {};
    out.never = out.never && what.never;
    out.limited = out.limited || what.limited;
    if (n++ < kAlternativesToldMax) {
      out.words += fmt::format("{}{}", n == 1 ? "" : "; or ", what.words);
    }
  }
  if (n > kAlternativesToldMax) {
    out.words += fmt::format("; and {} alternatives more", n - kAlternativesToldMax);
  }
  return out;
}

Shortage of_cluster(const State& state, const JobSpec& spec, Time now, Explained* known = nullptr) {
  return spec.alternatives.size() > 1 ? of_alternatives(state, spec, now, known)
                                      : of_one_shape(state, spec, now, known);
}

Shortage beside_its_group(const State& state, const Job& job, Shortage alone) {
  if (job.spec.group.size == 0 || alone.words.empty() || alone.never || alone.limited) return alone;
  const std::string beside = beside_itself(state, job);
  return beside.empty() ? alone : Shortage{beside, true, false};
}

// Once a task of it was placed it asks for what that has. What it would rather have is asked for at the next tick.
Shortage of_job(const State& state, const Job& job, Time now, Explained* known = nullptr) {
  Shortage own = of_one_shape(state, job.spec, now, known);
  if (own.words.empty() || !may_choose(job)) return beside_its_group(state, job, std::move(own));
  const Shortage of_all = of_alternatives(state, job.spec, now, known);
  if (of_all.words.empty())
    return {"another of its alternatives has room, which it is about to take"};
  return beside_its_group(state, job, of_all);
}

std::string of_queue(const State& state, const Job& job, Time now, Explained* known) {
  std::string reason = of_itself(state, job);
  if (reason.empty()) reason = of_job(state, job, now, known).words;
  return reason.empty() ? "is about to be placed" : reason;
}

}  // namespace

bool has_room(const State& state, const JobSpec& spec, Time now) {
  return of_one_shape(state, spec, now, nullptr).words.empty();
}

std::string explain_task(const State& state, const Job& job, const Task& task, Time now,
                         Explained* known) {
  if (task.past.empty()) return of_queue(state, job, now, known);
  const PastAttempt& past = task.past.back();
  const std::string_view why = past.ending.reason;
  const std::string before = fmt::format("attempt {} ended with {}{}{}", task.attempt,
                                         past.ending.status, why.empty() ? "" : ": ", why);
  const std::string of =
      has_free_retries(job.spec) ? "" : fmt::format(" of {}", attempts_max(job, task));
  const std::string next = fmt::format("attempt {}{}", task.attempt + 1, of);
  if (now < task.not_before) {
    return fmt::format("{}; {} begins after a pause of {}", before, next,
                       format_duration(task.not_before - past.ended));
  }
  return fmt::format("{}; {} waits: {}", before, next, of_queue(state, job, now, known));
}

std::string explain(const State& state, const Job& job, Time now, Explained* known) {
  const std::optional<int32_t> next = next_task(job);
  if (!next) return {};
  const Task* task = find_task(state, {job.id, *next});
  return task == nullptr ? of_queue(state, job, now, known)
                         : explain_task(state, job, *task, now, known);
}

Foresight foresee(const State& state, const Job& job, Time now) {
  return foresee_at(state, job, state.schedule.waits().place_of(job.id), now);
}

Foresight foresee_at(const State& state, const Job& job, uint64_t place, Time now,
                     Explained* known) {
  Foresight out;
  out.reason = explain(state, job, now, known);
  if (!out.reason.empty() && of_itself(state, job).empty()) {
    const Shortage what = of_job(state, job, now, known);
    out.never = what.never;
    out.limited = what.limited;
  }
  out.place = place;
  const Reservation* kept = state.schedule.reservation_for(job.id);
  if (kept != nullptr && kept->start != kNever) out.start = kept->start;
  return out;
}

Foresight foresee(const State& state, const JobSpec& spec, Time now) {
  Foresight out;
  const Shortage what = of_cluster(state, spec, now);
  out.reason = what.words;
  out.never = what.never;
  if (out.reason.empty()) return out;
  // As if it were the last to come.
  Job job;
  job.id = state.next_job;
  job.spec = spec;
  job.timeline.submitted = now;
  const WaitKey own = wait_key(job, state.policy);
  out.place = state.schedule.waits().before(own, state.schedule.lag_of(spec.user)) + 1;
  return out;
}

}  // namespace devrun::controller
