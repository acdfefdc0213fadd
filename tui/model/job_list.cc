#include "tui/model/job_list.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "tui/model/model.h"

namespace devrun::tui {

namespace {

constexpr std::array<std::string_view, static_cast<size_t>(kLastSort) + 1> kNames{
    "age",  "job", "state",  "user", "volume", "node",
    "time", "cpu", "memory", "gpu",  "home",   "command"};
constexpr size_t kPartsMax = 1000;  // of a job that is folded out

const JobLoad& load_of(const Model& model, JobId job) {
  static const JobLoad kNone{};
  const auto load = model.job_loads.find(job);
  return load == model.job_loads.end() ? kNone : load->second;
}

std::string_view first_node(const JobRow& job) {
  return job.attempts.empty() ? std::string_view() : std::string_view(job.attempts.back().node);
}

int64_t time_shown(const Model& model, const JobRow& job) {
  const Timeline& at = job.timeline;
  if (is_final(job.state)) return at.started.us == 0 ? 0 : at.ended.us - at.started.us;
  return model.now.us - (at.started.us != 0 ? at.started : at.submitted).us;
}

// Less: goes first.
template <typename T>
int compare(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// What has a place on a node, then what waits for one, then what has ended.
int turn_of(JobState state) {
  return is_final(state) ? 2 : state == JobState::kQueued ? 1 : 0;
}

int by_column(const Model& model, SortBy by, const JobRow& a, const JobRow& b) {
  switch (by) {
    case SortBy::kState:
      return compare(a.state, b.state);
    case SortBy::kUser:
      return compare(a.user, b.user);
    case SortBy::kVolume:
      return compare(a.volume, b.volume);
    case SortBy::kNode:
      return compare(first_node(a), first_node(b));
    case SortBy::kTime:
      return compare(time_shown(model, b), time_shown(model, a));
    case SortBy::kCpu:
      return compare(load_of(model, b.id).cpu_milli, load_of(model, a.id).cpu_milli);
    case SortBy::kMemory:
      return compare(load_of(model, b.id).memory_bytes, load_of(model, a.id).memory_bytes);
    case SortBy::kGpu:
      return compare(std::tuple(load_of(model, b.id).gpus != 0, load_of(model, b.id).gpu_percent),
                     std::tuple(load_of(model, a.id).gpus != 0, load_of(model, a.id).gpu_percent));
    case SortBy::kHome:
      return compare(std::tuple(b.home.conflicts, b.home.files),
                     std::tuple(a.home.conflicts, a.home.files));
    case SortBy::kCommand:
      return compare(a.command, b.command);
    case SortBy::kJob:
      return compare(b.id, a.id);
    case SortBy::kAge:
      break;
  }
  return compare(turn_of(a.state), turn_of(b.state));
}

// What the array's row counts as failed first, cancelled ones last of these; then those that live, then the rest. By
// number among each.
int rank_of(JobState state) {
  if (!is_final(state)) return 2;
  if (state == JobState::kSucceeded) return 3;
  return state == JobState::kCancelled ? 1 : 0;
}

void add_parts(const Model& model, const JobRow& job, std::vector<ListLine>& lines) {
  const JobRow* details = details_of(model, job.id);
  std::map<AttemptKey, const AttemptRow*> newest;  // attempt left out of the key
  for (const JobRow* from : {details, &job}) {
    if (from == nullptr) continue;
    for (const AttemptRow& attempt : from->attempts) {
      AttemptKey key = attempt.key;
      key.attempt = 0;
      const auto [at, is_new] = newest.emplace(key, &attempt);
      if (!is_new && attempt.key.attempt >= at->second->key.attempt) at->second = &attempt;
    }
  }
  std::vector<const AttemptRow*> parts;
  for (const auto& [key, attempt] : newest) parts.push_back(attempt);
  std::stable_sort(parts.begin(), parts.end(), [](const AttemptRow* a, const AttemptRow* b) {
    return rank_of(a->state) < rank_of(b->state);
  });
  if (parts.size() > kPartsMax) parts.resize(kPartsMax);
  for (const AttemptRow* part : parts) lines.push_back({job.id, part->key});
}

}  // namespace

std::string_view sort_name(SortBy by) {
  return kNames[static_cast<size_t>(by)];
}

std::optional<SortBy> sort_by_name(std::string_view name) {
  // As the column's head has it, too: `mem`.
  const auto at = std::ranges::find_if(
      kNames, [&](std::string_view one) { return !name.empty() && one.starts_with(name); });
  const auto same = std::ranges::find(kNames, name);
  if (same != kNames.end()) return static_cast<SortBy>(same - kNames.begin());
  if (at == kNames.end()) return std::nullopt;
  return static_cast<SortBy>(at - kNames.begin());
}

bool goes_up(SortBy by) {
  switch (by) {
    case SortBy::kState:
    case SortBy::kUser:
    case SortBy::kVolume:
    case SortBy::kNode:
    case SortBy::kCommand:
      return true;
    default:
      return false;
  }
}

bool can_unfold(const Model& model, JobId id) {
  const auto job = model.jobs.find(id);
  return job != model.jobs.end() && (job->second.tasks != 0 || job->second.ranks > 1);
}

void refresh_list(Model& model) {
  JobList& list = model.list;
  if (list.filter_text != model.filter) {
    list.filter = Filter(model.filter);
    list.filter_text = model.filter;
    list.stale = true;
  }
  if (!list.stale) return;
  list.stale = false;
  std::vector<const JobRow*> jobs;
  for (const auto& [id, job] : model.jobs) {
    if (list.filter.matches(job)) jobs.push_back(&job);
  }
  const auto before = [&](const JobRow* a, const JobRow* b) {
    const int order = by_column(model, list.sort, *a, *b);
    if (order != 0) return list.reversed ? order > 0 : order < 0;
    return a->id > b->id;
  };
  std::sort(jobs.begin(), jobs.end(), before);
  list.lines.clear();
  for (const JobRow* job : jobs) {
    list.lines.push_back({job->id, std::nullopt});
    if (model.unfolded.count(job->id) != 0) add_parts(model, *job, list.lines);
  }
}

std::optional<size_t> selected_line(const Model& model) {
  const ListLine wanted{model.selected, model.part};
  const auto& lines = model.list.lines;
  auto at = std::find(lines.begin(), lines.end(), wanted);
  if (at == lines.end() && model.part) {
    at = std::find(lines.begin(), lines.end(), ListLine{model.selected, std::nullopt});
  }
  if (at == lines.end()) return std::nullopt;
  return static_cast<size_t>(at - lines.begin());
}

void select_line(Model& model, size_t line) {
  const auto& lines = model.list.lines;
  if (lines.empty()) return;
  const ListLine& chosen = lines[std::min(line, lines.size() - 1)];
  model.selected = chosen.job;
  model.part = chosen.part;
}

}  // namespace devrun::tui
