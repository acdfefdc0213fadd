#include "controller/journal/job_filter.h"

#include <sqlite3.h>

#include <algorithm>

namespace devrun::controller {

bool matches(const JobFilter& filter, const JobFacts& facts) {
  const auto has = [](const auto& list, const auto& value) {
    return list.empty() || std::ranges::find(list, value) != list.end();
  };
  if (!has(filter.states, facts.state)) return false;
  if (filter.before != 0 && facts.job >= filter.before) return false;
  if (!filter.user.empty() && facts.spec->user != filter.user) return false;
  if (filter.status && facts.status != filter.status) return false;
  if (filter.failed && facts.status.value_or(0) == 0) return false;
  if (filter.since.us != 0 && facts.ended && *facts.ended < filter.since) return false;
  if (filter.until.us != 0 && facts.submitted > filter.until) return false;
  for (const LabelFilter& label : filter.labels) {
    const auto known = facts.spec->labels.find(label.key);
    if (known == facts.spec->labels.end()) return false;
    if (label.value && *label.value != known->second) return false;
  }
  return filter.name.empty() || sqlite3_strglob(filter.name.c_str(), facts.spec->name.c_str()) == 0;
}

}  // namespace devrun::controller
