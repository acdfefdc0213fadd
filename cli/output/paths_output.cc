#include "cli/output/paths_output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output/console.h"
#include "cli/output/table.h"

namespace devrun::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Row {
  PathRule rule;
  std::string_view set_by;
  std::vector<std::string> nodes = {};
};

// The later of two that say something of the same counts.
void add(std::vector<Row>& rows, Row row) {
  std::erase_if(rows, [&](const Row& one) {
    return one.rule.path == row.rule.path && one.rule.name == row.rule.name;
  });
  rows.push_back(std::move(row));
}

std::vector<Row> rows_of(const VolumePathsRecord& paths) {
  std::vector<Row> out;
  for (const PathRule& rule : paths.defaults) add(out, {rule, "default"});
  for (const PathRule& rule : paths.set) add(out, {rule, "volume"});
  for (const VolumePathsRecord::Site& site : paths.sites) {
    add(out, {{site.path, {}, PathKind::kSite}, "site", site.nodes});
  }
  std::ranges::stable_sort(out, {}, [](const Row& row) { return rule_path(row.rule); });
  return out;
}

}  // namespace

std::string rule_path(const PathRule& rule) {
  if (rule.name.empty()) return rule.path;
  return fmt::format("{}/…/{}", rule.path == "/" ? "" : rule.path, rule.name);
}

std::string paths_text(const VolumePathsRecord& paths) {
  Table table({"PATH", "KIND", "SET BY"});
  for (const Row& row : rows_of(paths)) {
    table.add({printable_path(rule_path(row.rule)), std::string(path_kind_name(row.rule.kind)),
               row.nodes.empty() ? std::string(row.set_by)
                                 : fmt::format("{} ({})", row.set_by, fmt::join(row.nodes, ", "))});
  }
  table.add({"all else", "kept", "default"});
  return table.render();
}

std::string paths_json(const VolumePathsRecord& paths) {
  Json list = Json::array();
  for (const Row& row : rows_of(paths)) {
    Json one = {
        {"path", row.rule.path}, {"kind", path_kind_name(row.rule.kind)}, {"set_by", row.set_by}};
    if (!row.rule.name.empty()) one["name"] = row.rule.name;
    if (!row.nodes.empty()) one["nodes"] = row.nodes;
    list.push_back(std::move(one));
  }
  const Json out = {{"volume", paths.volume}, {"paths", std::move(list)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace devrun::cli
