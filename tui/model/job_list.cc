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

using Parts = std::vector<const AttemptRow*>;

// Its tasks or ranks in the order in which they are shown, the newest attempt of each.
Parts parts_of(const Model& model, const JobRow& job) {
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
  Parts parts;
  for (const auto& [key, attempt] : newest) parts.push_back(attempt);
  std::stable_sort(parts.begin(), parts.end(), [](const AttemptRow* a, const AttemptRow* b) {
    return rank_of(a->state) < rank_of(b->state);
  });
  return parts;
}

bool has_parts(const JobRow& job) {
  return job.tasks != 0 || job.ranks > 1;
}

// A job that the list may show, and of it what the filter leaves.
struct Candidate {
  const JobRow* job;
  Parts parts = {};
  bool opened = false;
};

// Nothing: it is not shown. It is opened if it is shown for its parts alone, or if a state that was asked for is that of some
// of them which have ended.
std::optional<Candidate> candidate_of(const Model& model, const JobRow& job) {
  const Filter& filter = model.list.filter;
  const bool itself = filter.matches(job);
  const bool unfolded = model.unfolded.count(job.id) != 0;
  Candidate out{&job};
  if (!has_parts(job) || (filter.empty() && !unfolded)) {
    if (!itself) return std::nullopt;
    return out;
  }
  out.parts = parts_of(model, job);
  const size_t known = out.parts.size();
  const PartFilter fits(filter, job);
  std::erase_if(out.parts, [&](const AttemptRow* part) { return !fits.matches(*part); });
  if (!itself && out.parts.empty()) return std::nullopt;
  const bool some_ended =
      std::ranges::any_of(out.parts, [](const AttemptRow* part) { return is_final(part->state); });
  out.opened = !itself || (filter.names_state() && some_ended &&
                           out.parts.size() < std::max<size_t>({known, job.tasks, job.ranks}));
  if (!out.opened && !unfolded) out.parts.clear();
  if (out.parts.size() > kPartsMax) out.parts.resize(kPartsMax);
  return out;
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
  return job != model.jobs.end() && has_parts(job->second);
}

std::vector<JobId> arrays_to_look_into(const Model& model) {
  std::vector<JobId> out;
  if (model.list.filter.empty()) return out;
  size_t looked_at = 0;
  for (auto at = model.jobs.rbegin(); at != model.jobs.rend(); ++at) {
    const JobRow& job = at->second;
    if (job.tasks == 0 || !model.list.filter.may_match_tasks(job)) continue;
    if (++looked_at > kArraysLookedIntoMax) break;
    const JobRow* details = details_of(model, job.id);
    if (details == nullptr || details->progress != job.progress || details->state != job.state)
      out.push_back(job.id);
  }
  return out;
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
  std::vector<Candidate> jobs;
  for (const auto& [id, job] : model.jobs) {
    if (auto one = candidate_of(model, job)) jobs.push_back(std::move(*one));
  }
  const auto before = [&](const Candidate& a, const Candidate& b) {
    const int order = by_column(model, list.sort, *a.job, *b.job);
    if (order != 0) return list.reversed ? order > 0 : order < 0;
    return a.job->id > b.job->id;
  };
  std::sort(jobs.begin(), jobs.end(), before);
  list.lines.clear();
  list.opened.clear();
  list.jobs = jobs.size();
  for (const Candidate& one : jobs) {
    const JobId id = one.job->id;
    list.lines.push_back({id, std::nullopt});
    if (one.opened) list.opened.insert(id);
    for (const AttemptRow* part : one.parts) list.lines.push_back({id, part->key});
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
