#include "cli/commands/watched_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace devrun::cli {

namespace {

constexpr size_t kListedMax = 1000;

size_t lines_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

size_t living(const JobList& jobs) {
  return static_cast<size_t>(
      std::ranges::count_if(jobs.jobs, [](const JobRecord& job) { return !is_final(job.state); }));
}

std::string left_out(const JobList& all, const JobList& shown) {
  const size_t count = all.jobs.size() - shown.jobs.size();
  const size_t live = living(all) - living(shown);
  std::string out = fmt::format("… {} more {} not shown", count, count == 1 ? "is" : "are");
  if (live != 0) out += fmt::format(", {} of them live", live);
  return out + "\n";
}

}  // namespace

WatchedList::WatchedList(uint32_t limit) : limit_(limit == 0 ? kListedMax : limit) {}

void WatchedList::replace(JobList whole) {
  list_ = std::move(whole);
  told_ = list_.jobs.size();
}

void WatchedList::update(const std::vector<JobId>& asked, JobList answer) {
  std::map<JobId, JobRecord> rows;
  for (JobRecord& job : list_.jobs) rows.insert_or_assign(job.job, std::move(job));
  for (const JobId id : asked) rows.erase(id);
  for (JobRecord& job : answer.jobs) rows.insert_or_assign(job.job, std::move(job));
  list_.jobs.clear();
  for (auto& [id, job] : rows) list_.jobs.push_back(std::move(job));
  keep_newest();
}

void WatchedList::keep_newest() {
  told_ = std::max(told_, std::min(limit_, list_.jobs.size()));
  if (list_.jobs.size() <= limit_) return;
  const size_t more = list_.jobs.size() - limit_;
  list_.jobs.erase(list_.jobs.begin(), list_.jobs.begin() + static_cast<std::ptrdiff_t>(more));
  list_.truncated = true;
}

JobList most_relevant(const JobList& jobs, size_t count) {
  if (jobs.jobs.size() <= count) return jobs;
  std::vector<const JobRecord*> order;
  for (const JobRecord& job : jobs.jobs) order.push_back(&job);
  const auto worth_more = [](const JobRecord* a, const JobRecord* b) {
    const bool a_lives = !is_final(a->state);
    return a_lives != !is_final(b->state) ? a_lives : a->job > b->job;
  };
  std::ranges::sort(order, worth_more);
  order.resize(count);
  std::ranges::sort(order, {}, &JobRecord::job);
  JobList out{{}, jobs.truncated, jobs.next_before};
  for (const JobRecord* job : order) out.jobs.push_back(*job);
  return out;
}

std::string in_rows(const JobList& jobs, size_t rows,
                    const std::function<std::string(const JobList&)>& text) {
  JobList shown = most_relevant(jobs, std::max<size_t>(1, rows));
  for (;;) {
    const std::string out = text(shown);
    const bool all = shown.jobs.size() == jobs.jobs.size();
    const size_t lines = lines_of(out) + (all ? 0 : 1);
    if (lines <= rows || shown.jobs.empty()) return out + (all ? "" : left_out(jobs, shown));
    const size_t less = std::min(shown.jobs.size(), lines + (all ? 1 : 0) - rows);
    shown = most_relevant(jobs, shown.jobs.size() - less);
  }
}

}  // namespace devrun::cli
