// The rows of the jobs screen: which, in which order, folded or not. Pure.
#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "common/model/ids.h"
#include "tui/model/filter.h"

namespace devrun::tui {

struct Model;

// By what the list is sorted; kAge is the order of every day: what runs, what waits, what has
// ended, the newest of each on top.
enum class SortBy {
  kAge,
  kJob,
  kState,
  kUser,
  kVolume,
  kNode,
  kTime,
  kCpu,
  kMemory,
  kGpu,
  kHome,
  kCommand
};
std::string_view sort_name(SortBy by);
// By its name, or how that begins.
std::optional<SortBy> sort_by_name(std::string_view name);
// From A to Z unless it is reversed; the others from the newest, the longest, the most down.
bool goes_up(SortBy by);
inline constexpr SortBy kLastSort = SortBy::kCommand;

struct ListLine {
  JobId job = 0;
  std::optional<AttemptKey> part;  // a task or rank of it, folded out
  bool operator==(const ListLine&) const = default;
};

struct JobList {
  SortBy sort = SortBy::kAge;
  bool reversed = false;
  std::vector<ListLine> lines;
  bool stale = true;  // rows have changed since it was made
  Filter filter;      // of `filter_text`
  std::string filter_text;
  size_t jobs = 0;         // how many of the lines are jobs
  std::set<JobId> opened;  // by the filter, which is about some of their parts
};
inline constexpr size_t kArraysLookedIntoMax = 32;

// Makes the lines anew if they are stale.
void refresh_list(Model& model);
// Arrays that may have tasks which the filter shows, and of which these are not known as they are now; of the newest few.
std::vector<JobId> arrays_to_look_into(const Model& model);
// The line of what is selected; nothing if the filter hides it.
std::optional<size_t> selected_line(const Model& model);
void select_line(Model& model, size_t line);
bool can_unfold(const Model& model, JobId job);

}  // namespace devrun::tui
