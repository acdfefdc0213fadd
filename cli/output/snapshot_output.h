// Snapshots, their differences and what volumes hold, for people and as JSON (see job_json.h). Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/output/records.h"

namespace devrun::cli {

std::string snapshots_text(const std::vector<SnapshotRecord>& snapshots, Time now);
std::string snapshots_json(const std::vector<SnapshotRecord>& snapshots);  // {"snapshots": […]}
std::string snapshot_json(const SnapshotRecord& snapshot);

std::string usage_text(const UsageRecord& usage);
std::string usage_json(const UsageRecord& usage);

std::string removed_text(const std::vector<VolumeRecord>& volumes, Time now);

// "M /etc/passwd": A created, D deleted, M content, T type, m mode, owner or xattrs. Empty for what
// only a time tells: folders change theirs whenever something in them does.
std::string change_line(const ChangeRecord& change);
// One line of JSON.
std::string change_json(const ChangeRecord& change);

// Adds up what `--stat` tells.
struct ChangeTotals {
  uint64_t created = 0;
  uint64_t deleted = 0;
  uint64_t changed = 0;
  uint64_t attributes = 0;
  int64_t bytes = 0;  // that it grew by
  void add(const ChangeRecord& change);
};
std::string totals_text(const ChangeTotals& totals);
std::string totals_json(const ChangeTotals& totals);

}  // namespace devrun::cli
