// Why a job waits, in a sentence, from the scheduler's own predicates (room.h).
#include <fmt/format.h>

#include "common/base/units.h"
#include "controller/core/room.h"
#include "controller/core/scheduler.h"
#include "controller/core/view.h"

namespace devrun::controller {

namespace {

std::string cores(int64_t milli) {
  if (milli % 1000 == 0) return fmt::format("{} core{}", milli / 1000, milli == 1000 ? "" : "s");
  return fmt::format("{:g} cores", static_cast<double>(milli) / 1000.0);
}

std::string gpus(const Resources& of, int32_t n) {
  return fmt::format("{} {}GPU{}", n, of.gpu_type.empty() ? "" : of.gpu_type + " ",
                     n == 1 ? "" : "s");
}

// One kind of resource: how much is needed, and how to say an amount of it.
struct Dimension {
  int64_t need;
  int64_t (*of)(const Resources&);
  std::string (*say)(const Resources& need, int64_t amount);
};

std::vector<Dimension> dimensions(const Resources& need) {
  return {
      {need.cpu_milli, [](const Resources& r) { return r.cpu_milli; },
       [](const Resources&, int64_t n) { return cores(n); }},
      {need.memory_bytes, [](const Resources& r) { return r.memory_bytes; },
       [](const Resources&, int64_t n) { return format_size(n) + " of memory"; }},
      {need.gpus, [](const Resources& r) { return int64_t{r.gpus}; },
       [](const Resources& r, int64_t n) { return gpus(r, static_cast<int32_t>(n)); }},
  };
}

std::string say_need(const Resources& need) {
  std::string out;
  for (const Dimension& d : dimensions(need)) {
    if (d.need == 0) continue;
    out += (out.empty() ? "" : ", ") + d.say(need, d.need);
  }
  return out.empty() ? "nothing" : out;
}

// The resource of which no node has enough, with the best that there is.
std::string shortage(const std::vector<const Room*>& rooms, const Resources& need) {
  for (const bool free : {false, true}) {
    for (const Dimension& d : dimensions(need)) {
      const Room* best = nullptr;
      int64_t most = -1;
      for (const Room* room : rooms) {
        Resources has = free ? room->free : room->hello->total;
        has.gpus = free ? free_gpus(*room, need.gpu_type)
                        : static_cast<int32_t>(gpus_of_type(*room->hello, need.gpu_type).size());
        const int64_t amount = d.of(has);
        if (amount > most) {
          most = amount;
          best = room;
        }
      }
      if (best == nullptr || most >= d.need) continue;
      if (!free) {
        return fmt::format("needs {} on one node; the largest has {} ({})", d.say(need, d.need),
                           d.say(need, most), best->hello->name);
      }
      return fmt::format("needs {} on one node; the largest free is {} on {}", d.say(need, d.need),
                         d.say(need, most), best->hello->name);
    }
  }
  return {};
}

// The first node that could run the job if it were not in trouble, with what that is; empty if there is none.
std::string troubled_node(const State& state, const JobSpec& spec) {
  for (const auto& [name, node] : state.nodes) {
    const std::string& trouble = trouble_of(state, name);
    if (node.lost || !is_connected(state, name) || trouble.empty()) continue;
    if (may_run_on(node.hello, spec)) return fmt::format("{} takes no jobs: {}", name, trouble);
  }
  return {};
}

std::string no_node(const State& state, const JobSpec& spec) {
  if (spec.dev_container) {
    return "the storage host's agent, which runs dev containers, is not connected";
  }
  if (spec.pool.empty()) {
    return troubled_node(state, spec).empty() ? "no node is connected" : "no node takes jobs";
  }
  std::set<std::string> pools;
  for (const auto& [name, node] : state.nodes) {
    if (!node.lost) pools.insert(node.hello.pools.begin(), node.hello.pools.end());
  }
  if (pools.count(spec.pool) == 0) {
    return fmt::format("no node is in pool '{}'; there is {}", spec.pool,
                       pools.empty() ? "no pool" : fmt::format("{}", fmt::join(pools, ", ")));
  }
  return fmt::format("no node of pool '{}' {}", spec.pool,
                     troubled_node(state, spec).empty() ? "is connected" : "takes jobs");
}

// A gang that cannot start before a node is added, however long it waits; empty if that is not so.
std::string too_few_nodes(const State& state, const JobSpec& spec) {
  size_t known = 0;
  size_t large = 0;
  for (const auto& [name, node] : state.nodes) {
    if (node.lost || !may_run_on(node.hello, spec)) continue;
    ++known;
    if (fits(node.hello, spec.per_node)) ++large;
  }
  const std::string where = spec.pool.empty() ? "the cluster" : fmt::format("pool '{}'", spec.pool);
  const std::string until = "it will not start until one is added";
  if (known < spec.nodes) {
    return fmt::format("needs {} nodes; {} has only {}: {} (devrun up --nodes {})", spec.nodes,
                       where, known, until, spec.nodes);
  }
  if (large >= spec.nodes) return {};
  return fmt::format("needs {} nodes with {} each; {} has only {} as large as that: {}", spec.nodes,
                     say_need(spec.per_node), where, large, until);
}

// What the nodes that can take jobs lack for this one.
std::string of_rooms(const State& state, const JobSpec& spec) {
  const std::vector<Room> rooms = connected_rooms(state);
  std::vector<const Room*> right;
  size_t with_room = 0;
  for (const Room& room : rooms) {
    if (!may_run_on(*room.hello, spec)) continue;
    right.push_back(&room);
    if (has_room(room, spec.per_node)) ++with_room;
  }
  if (right.empty()) return no_node(state, spec);
  if (with_room >= spec.nodes) return "is about to be placed";
  if (spec.nodes > 1) {
    const std::string never = too_few_nodes(state, spec);
    if (!never.empty()) return never;
    return fmt::format("needs {} nodes with {} free on each; {} of {} {}", spec.nodes,
                       say_need(spec.per_node), with_room, right.size(),
                       with_room == 1 ? "has that" : "have that");
  }
  const std::string what = shortage(right, spec.per_node);
  if (!what.empty()) return what;
  return fmt::format("needs {} together on one node; no connected node has all of it free",
                     say_need(spec.per_node));
}

std::string of_queue(const State& state, const Job& job) {
  if (const Job* unmet = first_unmet(state, job)) {
    return fmt::format("job {} has to succeed first", unmet->id);
  }
  if (at_array_limit(job, job.running_tasks)) {
    return fmt::format("{} of its tasks run, as many as it allows at once", job.running_tasks);
  }
  const std::optional<int32_t> next = next_task(job);
  if (next && root_to_derive(job, {job.id, *next})) {
    return "its file system is being made of its snapshot and what came before";
  }
  const std::string reason = of_rooms(state, job.spec);
  const std::string troubled = troubled_node(state, job.spec);
  return troubled.empty() ? reason : fmt::format("{}; {}", reason, troubled);
}

}  // namespace

std::string explain_task(const State& state, const Job& job, const Task& task, Time now) {
  if (task.past.empty()) return of_queue(state, job);
  const PastAttempt& past = task.past.back();
  const std::string_view why = past.ending.reason;
  const std::string before = fmt::format("attempt {} ended with {}{}{}", task.attempt,
                                         past.ending.status, why.empty() ? "" : ": ", why);
  const std::string next =
      fmt::format("attempt {} of {}", task.attempt + 1, uint64_t{job.spec.retries} + 1);
  if (now < task.not_before) {
    return fmt::format("{}; {} begins after a pause of {}", before, next,
                       format_duration(task.not_before - past.ended));
  }
  return fmt::format("{}; {} waits: {}", before, next, of_queue(state, job));
}

std::string explain(const State& state, const Job& job, Time now) {
  const std::optional<int32_t> next = next_task(job);
  if (!next) return {};
  const Task* task = find_task(state, {job.id, *next});
  return task == nullptr ? of_queue(state, job) : explain_task(state, job, *task, now);
}

}  // namespace devrun::controller
