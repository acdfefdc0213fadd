#include "controller/rpc/changes_of.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <set>
#include <thread>

#include "common/wire/job.h"
#include "controller/rpc/ask_core.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/job_info.h"

namespace devrun::controller {

namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(20);
// A node that has it, and is not busy with many others.
constexpr Duration kBeginsAtMost = seconds(60);

bool is_meant(const pb::ChangesOf& of, const AttemptKey& key) {
  return (!of.has_task() || of.task() == key.task) && (!of.has_rank() || of.rank() == key.rank) &&
         (!of.has_attempt() || of.attempt() == key.attempt);
}

void add_ranks(Meant& out, const State& state, const pb::ChangesOf& of, AttemptKey key,
               const std::vector<Rank>& ranks, bool is_newest) {
  const Job* job = find_job(state, key.job);
  const Task* task = find_task(state, key.task_key());
  for (key.rank = 0; key.rank < ranks.size(); ++key.rank) {
    if (!is_meant(of, key)) continue;
    const Rank& rank = ranks[key.rank];
    MeantAttempt& one = out.attempts.emplace_back();
    one.key = key;
    one.node = rank.node;
    one.runs = !rank.ending;
    one.is_newest = is_newest;
    one.has_failed = rank.wrote && rank.wrote->home && !rank.wrote->home->failure.empty();
    one.root = root_of_attempt(*job, *task, key.attempt);
  }
}

// The node makes such a round again by itself, and soon.
bool is_passing(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kTimeout ||
         error.code == Code::kCancelled;
}

Error not_sent(const MeantAttempt& of, std::string_view why) {
  return {Code::kUnavailable,
          fmt::format("not all that job {} wrote is in the store, and {} {}", to_string(of.key),
                      of.node, why),
          fmt::format("devrun nodes show {}; devrun apply {} PATH, for what has come", of.node,
                      to_string(of.key))};
}

Error not_stored(const MeantAttempt& of, const Error& why) {
  const std::string retry = fmt::format("devrun apply {}", to_string(of.key));
  return {why.code,
          fmt::format("what job {} wrote stays on {}: {}", to_string(of.key), of.node, why.message),
          why.hint.empty() ? retry : fmt::format("{}, make room, then {}", why.hint, retry)};
}

using KeysByNode = std::map<std::string, std::vector<AttemptKey>>;

// Those that are connected, and so have been asked.
std::set<std::string> ask_nodes(const Parts& parts, const KeysByNode& by_node) {
  return ask_core(parts.core, [&agents = parts.agents, &by_node](const State&, Time) {
    std::set<std::string> connected;
    for (const auto& [node, keys] : by_node) {
      for (const AttemptKey& key : keys) {
        if (agents.ask_home(node, key)) connected.insert(node);
      }
    }
    return connected;
  });
}

Error none_of(const pb::ChangesOf& of, const Job& job) {
  const uint32_t rank = of.has_rank() ? of.rank() : 0;
  if (rank >= job.spec.nodes) {
    return {Code::kNotFound,
            fmt::format("job {} has no rank {}: its ranks are 0 to {}", job.id, rank,
                        job.spec.nodes - 1),
            fmt::format("devrun show {}", job.id)};
  }
  const TaskKey task{job.id, of.has_task() ? of.task() : kNoTask};
  return {Code::kNotFound,
          of.has_attempt() ? fmt::format("job {} has no attempt {}", to_string(task), of.attempt())
                           : fmt::format("job {} has not been started", to_string(task)),
          fmt::format("devrun show {}", to_string(task))};
}

}  // namespace

Result<Meant> find_meant(const State& state, const Who& who, const pb::ChangesOf& of) {
  const Job* job = TRY(visible_job(state, who, of.job()));
  if (job->spec.dev_container) {
    return Error{Code::kInvalid,
                 fmt::format("job {} is a dev container: it writes to the volume itself", job->id),
                 "devrun snapshot diff " + job->spec.root.volume + "@N"};
  }
  if (of.has_task() && (job->spec.array.empty() || !array_has(job->spec, of.task()))) {
    return Error{Code::kNotFound, fmt::format("job {} has no task {}", job->id, of.task()),
                 fmt::format("devrun show {}", job->id)};
  }
  Meant out{
      job->id, job->spec.root.volume, job->root.is_zero() ? job->spec.root.tree : job->root, {}};
  for (const auto& [index, task] : job->tasks) {
    for (uint32_t n = 0; n < task.past.size(); ++n) {
      add_ranks(out, state, of, {job->id, index, 0, n + 1}, task.past[n].ranks, false);
    }
    add_ranks(out, state, of, {job->id, index, 0, task.attempt}, task.ranks, true);
    // One that waits to be tried again: its last attempt is the newest that there was.
    if (!task.ranks.empty() || task.past.empty()) continue;
    for (MeantAttempt& one : out.attempts) {
      if (one.key.task == index && one.key.attempt == task.past.size()) one.is_newest = true;
    }
  }
  const bool chooses = of.has_rank() || of.has_attempt();
  if (out.attempts.empty() && chooses) return none_of(of, *job);
  std::ranges::sort(out.attempts, {}, [](const MeantAttempt& one) { return one.key; });
  return out;
}

Result<Meant> find_meant(CoreLoop& core, const Who& who, const pb::ChangesOf& of) {
  auto answer = std::make_shared<std::promise<Result<Meant>>>();
  std::future<Result<Meant>> found = answer->get_future();
  core.read_jobs({of.job()}, [answer, who, of](const State& state, Time, const Status& read) {
    answer->set_value(read ? find_meant(state, who, of) : Result<Meant>(read.error()));
  });
  return found.get();
}

Status await_rounds(const Parts& parts, const RoundWish& wish) {
  std::map<AttemptKey, Time> missing;  // when its change set was recorded last
  KeysByNode by_node;
  for (const MeantAttempt& one : wish.attempts) {
    const auto set = parts.storage.change_set(one.key);
    missing[one.key] = set ? set->changed : Time{};
    by_node[one.node].push_back(one.key);
  }
  const uint64_t asked_at = parts.round_news.now();
  const std::set<std::string> connected = ask_nodes(parts, by_node);
  const auto is_there = [&](const MeantAttempt& one) {
    const auto set = parts.storage.change_set(one.key);
    if (!set) return false;
    return set->changed != missing.at(one.key) && (!wish.whole || one.runs || set->complete);
  };
  const Time begun = clock_now();
  for (;;) {
    const MeantAttempt* waits_for = nullptr;
    for (const MeantAttempt& one : wish.attempts) {
      if (is_there(one)) continue;
      if (!connected.contains(one.node)) return not_sent(one, "does not answer");
      const RoundNews::News news = parts.round_news.since(one.key, asked_at);
      if (news.failure && !is_passing(*news.failure)) return not_stored(one, *news.failure);
      if (!news.began && clock_now() > begun + kBeginsAtMost) {
        return not_sent(one, "does not send it");
      }
      waits_for = &one;
    }
    if (waits_for == nullptr) return ok();
    if (clock_now() > begun + wish.at_most) return not_sent(*waits_for, "has not sent the rest");
    std::this_thread::sleep_for(kLookEvery);
  }
}

}  // namespace devrun::controller
