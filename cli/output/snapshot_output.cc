#include "cli/output/snapshot_output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "cli/output/console.h"
#include "cli/output/job_text.h"
#include "cli/output/table.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMessageCharactersMax = 60;
constexpr size_t kJobsShown = 3;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string jobs_of(const SnapshotRecord& snapshot) {
  if (snapshot.jobs.empty()) return "-";
  const size_t first = snapshot.jobs.size() - std::min(snapshot.jobs.size(), kJobsShown);
  std::string out = first > 0 ? "…" : "";
  for (size_t i = first; i < snapshot.jobs.size(); ++i) {
    out += fmt::format("{}{}", out.empty() ? "" : ",", snapshot.jobs[i]);
  }
  return out;
}

Json json_of(const SnapshotRecord& snapshot) {
  return {{"volume", snapshot.volume},
          {"number", snapshot.number},
          {"tree", snapshot.tree.hex()},
          {"taken_us", snapshot.taken.us},
          {"files", snapshot.files},
          {"bytes", snapshot.bytes},
          {"changed_bytes", snapshot.changed_bytes},
          {"message", snapshot.message},
          {"pinned", snapshot.pinned},
          {"jobs", snapshot.jobs}};
}

bool is_attribute(const ChangeRecord& change) {
  return change.mode_before != change.mode_after || change.owner_changed || change.xattrs_changed;
}

const char* kind_word(const ChangeRecord& change) {
  switch (change.kind) {
    case ChangeRecord::Kind::kCreated:
      return "created";
    case ChangeRecord::Kind::kDeleted:
      return "deleted";
    case ChangeRecord::Kind::kType:
      return "type";
    case ChangeRecord::Kind::kContent:
      return "content";
    case ChangeRecord::Kind::kAttributes:
      return "attributes";
  }
  return "";
}

}  // namespace

std::string snapshots_text(const std::vector<SnapshotRecord>& snapshots, Time now) {
  Table table({"SNAPSHOT", "TREE", "TAKEN", "FILES", "SIZE", "CHANGED", "KEPT", "JOBS", "MESSAGE"});
  for (const SnapshotRecord& one : snapshots) {
    table.add({fmt::format("{}@{}", one.volume, one.number), one.tree.short_hex(),
               format_duration(now - one.taken) + " ago", fmt::format("{}", one.files),
               format_size(one.bytes), format_size(one.changed_bytes), one.pinned ? "yes" : "-",
               jobs_of(one),
               one.message.empty() ? "-" : shortened(one.message, kMessageCharactersMax)});
  }
  return table.render();
}

std::string snapshots_json(const std::vector<SnapshotRecord>& snapshots) {
  Json list = Json::array();
  for (const SnapshotRecord& one : snapshots) list.push_back(json_of(one));
  Json out;
  out["snapshots"] = std::move(list);
  return dump(out);
}

std::string snapshot_json(const SnapshotRecord& snapshot) {
  return dump(json_of(snapshot));
}

std::string usage_text(const UsageRecord& usage) {
  Table table({"VOLUME", "LIVE", "OWN", "SHARED", "SNAPSHOTS", "QUOTA"});
  for (const VolumeUsageRecord& one : usage.volumes) {
    const auto size = [&](int64_t bytes) {
      return one.snapshots == 0 ? std::string("-") : format_size(bytes);
    };
    table.add({one.name, size(one.live_bytes), size(one.own_bytes), size(one.shared_bytes),
               one.snapshots == 0 ? "none yet" : fmt::format("{}", one.snapshots),
               one.quota_bytes == 0 ? "-" : format_size(one.quota_bytes)});
  }
  return table.render() + fmt::format("{} of {} are free in the store\n",
                                      format_size(usage.store_free_bytes),
                                      format_size(usage.store_bytes));
}

std::string usage_json(const UsageRecord& usage) {
  Json list = Json::array();
  for (const VolumeUsageRecord& one : usage.volumes) {
    list.push_back({{"name", one.name},
                    {"live_bytes", one.live_bytes},
                    {"own_bytes", one.own_bytes},
                    {"shared_bytes", one.shared_bytes},
                    {"snapshots", one.snapshots},
                    {"quota_bytes", one.quota_bytes}});
  }
  Json out;
  out["volumes"] = std::move(list);
  out["store_bytes"] = usage.store_bytes;
  out["store_free_bytes"] = usage.store_free_bytes;
  return dump(out);
}

std::string removed_text(const std::vector<VolumeRecord>& volumes, Time now) {
  Table table({"VOLUME", "OWNER", "REMOVED", "KEPT UNTIL"});
  for (const VolumeRecord& one : volumes) {
    table.add({one.name, one.owner, format_duration(now - one.removed) + " ago",
               format_time(one.kept_until)});
  }
  return table.render();
}

std::string change_line(const ChangeRecord& change) {
  char letter = 'M';
  switch (change.kind) {
    case ChangeRecord::Kind::kCreated:
      letter = 'A';
      break;
    case ChangeRecord::Kind::kDeleted:
      letter = 'D';
      break;
    case ChangeRecord::Kind::kType:
      letter = 'T';
      break;
    case ChangeRecord::Kind::kContent:
      break;
    case ChangeRecord::Kind::kAttributes:
      if (!is_attribute(change)) return {};
      letter = 'm';
  }
  std::string out = fmt::format("{} {}", letter, printable_path(change.path));
  if (change.kind == ChangeRecord::Kind::kAttributes && change.mode_before != change.mode_after) {
    out += fmt::format("  {:04o} → {:04o}", change.mode_before, change.mode_after);
  }
  if (change.kind == ChangeRecord::Kind::kType) {
    out += fmt::format("  {} → {}", change.type_before, change.type_after);
  }
  return out + "\n";
}

std::string change_json(const ChangeRecord& change) {
  const auto type = [](char letter) { return letter == 0 ? Json() : Json(std::string(1, letter)); };
  return dump({{"path", change.path},
               {"kind", kind_word(change)},
               {"type_before", type(change.type_before)},
               {"type_after", type(change.type_after)},
               {"size_before", change.size_before},
               {"size_after", change.size_after},
               {"mode_before", change.mode_before},
               {"mode_after", change.mode_after},
               {"owner_changed", change.owner_changed},
               {"mtime_changed", change.mtime_changed},
               {"xattrs_changed", change.xattrs_changed}});
}

void ChangeTotals::add(const ChangeRecord& change) {
  switch (change.kind) {
    case ChangeRecord::Kind::kCreated:
      ++created;
      break;
    case ChangeRecord::Kind::kDeleted:
      ++deleted;
      break;
    case ChangeRecord::Kind::kType:
    case ChangeRecord::Kind::kContent:
      ++changed;
      break;
    case ChangeRecord::Kind::kAttributes:
      attributes += is_attribute(change) ? 1 : 0;
  }
  const auto size = [](char type, uint64_t size_of_file) {
    return type == '-' ? static_cast<int64_t>(size_of_file) : 0;
  };
  bytes +=
      size(change.type_after, change.size_after) - size(change.type_before, change.size_before);
}

std::string totals_text(const ChangeTotals& totals) {
  return fmt::format("{} created, {} deleted, {} changed, {} in mode or owner; {}{}\n",
                     totals.created, totals.deleted, totals.changed, totals.attributes,
                     totals.bytes < 0 ? "-" : "+",
                     format_size(totals.bytes < 0 ? -totals.bytes : totals.bytes));
}

std::string totals_json(const ChangeTotals& totals) {
  return dump({{"created", totals.created},
               {"deleted", totals.deleted},
               {"changed", totals.changed},
               {"attributes", totals.attributes},
               {"bytes", totals.bytes}});
}

}  // namespace devrun::cli
