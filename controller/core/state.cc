#include "controller/core/state.h"

#include <algorithm>

#include "common/base/check.h"

namespace devrun::controller {

namespace {
uint64_t count(const ArrayRange& range) {
  if (range.step <= 0 || range.last < range.first) return 0;
  return static_cast<uint64_t>((int64_t{range.last} - range.first) / range.step) + 1;
}
}  // namespace

const Job* find_job(const Ledger& ledger, JobId id) {
  const auto it = ledger.jobs.find(id);
  if (it != ledger.jobs.end()) return &it->second;
  const auto recalled = ledger.recalled.jobs.find(id);
  return recalled == ledger.recalled.jobs.end() ? nullptr : &recalled->second.job;
}

std::vector<JobId> dependencies(const JobSpec& spec) {
  std::vector<JobId> out = spec.after;
  out.insert(out.end(), spec.after_ok.begin(), spec.after_ok.end());
  out.insert(out.end(), spec.after_fail.begin(), spec.after_fail.end());
  return out;
}

const Task* find_task(const Ledger& ledger, TaskKey key) {
  const Job* job = find_job(ledger, key.job);
  if (job == nullptr) return nullptr;
  const auto it = job->tasks.find(key.task);
  return it == job->tasks.end() ? nullptr : &it->second;
}

const Rank* find_rank(const Ledger& ledger, const AttemptKey& key) {
  const Task* task = find_task(ledger, key.task_key());
  if (task == nullptr || key.attempt == 0) return nullptr;
  const bool is_past = key.attempt <= task->past.size();
  if (!is_past && key.attempt != task->attempt) return nullptr;
  const std::vector<Rank>& ranks = is_past ? task->past[key.attempt - 1].ranks : task->ranks;
  return key.rank < ranks.size() ? &ranks[key.rank] : nullptr;
}

Time program_began(const Task& task, const Rank& rank) {
  const Time started = rank.timeline.started;
  const Time received = rank.timeline.agent_received;
  const bool has_span = received.us != 0 && started >= received;
  return std::max(started, has_span ? task.placed + (started - received) : task.placed);
}

const Digest& root_of_attempt(const Job& job, const Task& task, uint32_t attempt) {
  const Digest& own = attempt <= task.past.size() ? task.past[attempt - 1].root : task.root;
  if (!own.is_zero()) return own;
  return job.root.is_zero() ? job.spec.root.tree : job.root;
}

Digest volume_tree_of(const Job& job) {
  if (job.volume_tree) return *job.volume_tree;
  if (!job.spec.root.volume_tree.is_zero()) return job.spec.root.volume_tree;
  return job.setup ? job.setup->plain : Digest{};
}

bool has_setup_once(const JobSpec& spec) {
  return !spec.setup_once.key.is_zero();
}

JobId awaited_setup(const Job& job) {
  if (!job.setup || job.outcome || !job.root.is_zero()) return 0;
  return job.setup->how == SetupHow::kHit ? 0 : job.setup->run;
}

std::vector<JobId> awaited(const Job& job) {
  std::vector<JobId> out = dependencies(job.spec);
  if (const JobId setup = awaited_setup(job)) out.push_back(setup);
  return out;
}

bool waits_for_others(const JobSpec& spec) {
  return !spec.after.empty() || !spec.after_ok.empty() || !spec.after_fail.empty();
}

std::optional<Deriving> root_to_derive(const Job& job, TaskKey key) {
  if (job.spec.root.live) return {};
  if ((waits_for_others(job.spec) || has_setup_once(job.spec)) && job.root.is_zero()) {
    return Deriving{{job.id, kNoTask}, 1};
  }
  const auto task = job.tasks.find(key.task);
  const bool is_retry = task != job.tasks.end() && task->second.attempt > 0;
  if (!is_retry || !task->second.root.is_zero()) return {};
  if (job.spec.fresh || job.spec.results != Results::kHome) return {};
  return Deriving{key, task->second.attempt + 1};
}

bool has_output(const NodePresence& presence, const AttemptKey& key) {
  return presence.retained.count(key) != 0 || presence.strays.count(key) != 0;
}

bool is_connected(const State& state, const std::string& node) {
  const auto it = state.presence.nodes.find(node);
  return it != state.presence.nodes.end() && it->second.session != 0;
}

const std::string& trouble_of(const State& state, const std::string& node) {
  static const std::string kNone;
  static const std::string kStrays = "it is still ending what ran there when it was given up";
  const auto it = state.presence.nodes.find(node);
  if (it == state.presence.nodes.end()) return kNone;
  const bool ends_strays = it->second.trouble.empty() && !it->second.strays.empty();
  return ends_strays ? kStrays : it->second.trouble;
}

bool is_silent(const State& state, const std::string& node, Time now) {
  Time heard = state.presence.started;
  const auto it = state.presence.nodes.find(node);
  if (it != state.presence.nodes.end()) {
    if (it->second.session != 0) return false;
    heard = std::max(heard, it->second.last_heard);
  }
  return now - heard > kSilentAfter;
}

uint64_t array_size(const JobSpec& spec) {
  uint64_t size = 0;
  for (const ArrayRange& range : spec.array) size += count(range);
  return size;
}

int32_t array_task_at(const JobSpec& spec, uint64_t position) {
  for (const ArrayRange& range : spec.array) {
    const uint64_t n = count(range);
    if (position < n) return range.first + static_cast<int32_t>(position) * range.step;
    position -= n;
  }
  CHECK_MSG(false, "position beyond the array");
}

void merge_overlaps(std::vector<ArrayRange>& ranges) {
  std::vector<int32_t> tasks;
  for (const ArrayRange& range : ranges) {
    for (int64_t task = range.first; task <= range.last; task += range.step) {
      tasks.push_back(static_cast<int32_t>(task));
    }
  }
  std::sort(tasks.begin(), tasks.end());
  if (std::adjacent_find(tasks.begin(), tasks.end()) == tasks.end()) return;
  ranges = ranges_of(tasks);
}

std::vector<ArrayRange> ranges_of(const std::vector<int32_t>& tasks) {
  std::vector<ArrayRange> out;
  for (const int32_t task : tasks) {
    if (!out.empty() && task <= out.back().last) continue;
    if (!out.empty() && task == out.back().last + 1) {
      out.back().last = task;
    } else {
      out.push_back({task, task, 1});
    }
  }
  return out;
}

uint64_t array_position_of(const JobSpec& spec, int32_t task) {
  uint64_t before = 0;
  for (const ArrayRange& range : spec.array) {
    const int64_t past = int64_t{task} - range.first;
    if (past >= 0 && task <= range.last && past % range.step == 0) {
      return before + static_cast<uint64_t>(past / range.step);
    }
    before += count(range);
  }
  CHECK_MSG(false, "a task that the array does not have");
}

bool array_has(const JobSpec& spec, int32_t task) {
  for (const ArrayRange& range : spec.array) {
    if (range.step > 0 && task >= range.first && task <= range.last &&
        (int64_t{task} - range.first) % range.step == 0) {
      return true;
    }
  }
  return false;
}

std::optional<int32_t> next_task(const Job& job) {
  if (job.closed || job.outcome) return std::nullopt;
  if (job.spec.array.empty()) {
    const Task& task = job.tasks.at(kNoTask);
    if (is_placed(task) || task.outcome) return std::nullopt;
    return kNoTask;
  }
  if (!job.again.empty()) return *job.again.begin();
  if (job.array_passed >= array_size(job.spec)) return std::nullopt;
  return array_task_at(job.spec, job.array_passed);
}

}  // namespace devrun::controller
