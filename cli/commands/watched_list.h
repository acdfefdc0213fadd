// The list that `devrun ps --watch` shows: asked for as a whole once, then kept up to date with answers about what changed.
// What does not fit on a terminal is left out by what it is worth: what lives stays, and of the rest the newest. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/output/records.h"

namespace devrun::cli {

class WatchedList {
 public:
  // `limit`: the newest so many; 0: as many as the controller tells at once.
  explicit WatchedList(uint32_t limit);

  const JobList& list() const { return list_; }
  void replace(JobList whole);
  // Of those that were `asked` for, whoever is not in the answer is not in the list any more.
  void update(const std::vector<JobId>& asked, JobList answer);
  // There is room for older jobs that the controller has left out.
  bool is_short() const { return list_.truncated && list_.jobs.size() < told_; }

 private:
  void keep_newest();

  const size_t limit_;
  JobList list_;
  size_t told_ = 0;  // how many there were when the whole was told, or later
};

// The `count` that are worth most, newest last.
JobList most_relevant(const JobList& jobs, size_t count);

// As `text` shows it, in at most `rows` lines; if not all of it fits, the last one says what is left out.
std::string in_rows(const JobList& jobs, size_t rows,
                    const std::function<std::string(const JobList&)>& text);

}  // namespace devrun::cli
