// `file_mounts` and `volumes`: what a task finds at which path. Paths and names are taken as they stand here, ${VAR} and
// all: what they come to is seen once the variables have their values (plan_mounts.cc).
#include <fmt/format.h>

#include <algorithm>

#include "cli/launch/readers.h"

namespace devrun::launch {

namespace {

constexpr size_t kPathBytesMax = 4095;

// Nothing: it was reported.
std::optional<Text> path_of(Report& report, const std::string& field, const Node& node) {
  auto text = read_string(report, field, node);
  if (!text) return std::nullopt;
  if (text->empty() || text->size() > kPathBytesMax) {
    report.error(node.place, fmt::format("{}: expected a path", field));
    return std::nullopt;
  }
  return Text{*std::move(text), node.place};
}

bool check_target(Report& report, std::string_view field, const Entry& entry) {
  if (!entry.key.empty() && entry.key.size() <= kPathBytesMax) return true;
  report.error(entry.key_place, fmt::format("{}: expected the path of a folder or file", field));
  return false;
}

void read_sources(Report& report, const std::string& field, const Node& node, Storage& out) {
  const auto one = [&](const Node& source) {
    if (auto text = path_of(report, field, source)) out.sources.push_back(*std::move(text));
  };
  if (node.kind != NodeKind::kSequence) return one(node);
  for (const Node* item : node.items) one(*item);
}

void read_mode(Report& report, const std::string& field, const Node& node, Storage& out) {
  std::string mode = node.is_string() ? node.scalar.text : "";
  std::transform(mode.begin(), mode.end(), mode.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  out.copied = mode == "COPY";
  if (mode != "COPY" && mode != "MOUNT" && mode != "MOUNT_CACHED") {
    report.wrong_type(node.place, field, "MOUNT, MOUNT_CACHED or COPY", node);
  }
}

Storage read_storage(Report& report, const std::string& field, const Node& node) {
  Storage out;
  out.name.place = node.place;
  for (const Entry* entry : walk_fields(report, node, storage_fields(), field)) {
    const std::string name = field + "." + entry->key;
    if (entry->key == "name") {
      out.name = {read_string(report, name, *entry->value).value_or(""), entry->value->place};
    }
    if (entry->key == "source") read_sources(report, name, *entry->value, out);
    if (entry->key == "mode") read_mode(report, name, *entry->value, out);
  }
  return out;
}

void check_count(Report& report, std::string_view field, const Node& node) {
  if (node.entries.size() <= kMountsMax) return;
  report.error(node.place,
               fmt::format("{}: {} entries, at most {}", field, node.entries.size(), kMountsMax));
}

}  // namespace

std::vector<FileMount> read_file_mounts(Report& report, const Node& node) {
  std::vector<FileMount> out;
  if (node.kind != NodeKind::kMapping) {
    report.wrong_type(node.place, "file_mounts", "a map of paths in the task to what lies there",
                      node);
    return out;
  }
  check_count(report, "file_mounts", node);
  for (const Entry& entry : node.entries) {
    if (!check_target(report, "file_mounts", entry)) continue;
    FileMount mount{{entry.key, entry.key_place}, {}, {}};
    if (entry.value->kind == NodeKind::kMapping) {
      mount.storage = read_storage(report, "file_mounts." + entry.key, *entry.value);
    } else if (entry.value->is_string()) {
      auto source = path_of(report, "file_mounts." + entry.key, *entry.value);
      if (!source) continue;
      mount.source = *std::move(source);
    } else {
      report.wrong_type(entry.value->place, "file_mounts." + entry.key,
                        "a path, a URI, or a map such as {name: …, mode: MOUNT}", *entry.value);
      continue;
    }
    out.push_back(std::move(mount));
  }
  return out;
}

std::vector<VolumeMount> read_volumes(Report& report, const Node& node) {
  std::vector<VolumeMount> out;
  if (node.kind != NodeKind::kMapping) {
    report.wrong_type(node.place, "volumes", "a map of paths in the task to volumes' names", node);
    return out;
  }
  check_count(report, "volumes", node);
  for (const Entry& entry : node.entries) {
    if (!check_target(report, "volumes", entry)) continue;
    const std::string field = "volumes." + entry.key;
    VolumeMount mount{{entry.key, entry.key_place}, {"", entry.value->place}};
    if (entry.value->kind == NodeKind::kMapping) {
      for (const Entry* part : walk_fields(report, *entry.value, volume_fields(), field)) {
        if (part->key != "name") continue;
        mount.name = {read_string(report, field + ".name", *part->value).value_or(""),
                      part->value->place};
      }
    } else if (entry.value->is_string()) {
      mount.name = {entry.value->scalar.text, entry.value->place};
    } else {
      report.wrong_type(entry.value->place, field, "a volume's name, or {name: …}", *entry.value);
      continue;
    }
    out.push_back(std::move(mount));
  }
  return out;
}

}  // namespace devrun::launch
