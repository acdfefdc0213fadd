// `ports`, and `service`: of which one replica runs, with its readiness probe shown.
#include <fmt/format.h>

#include "cli/launch/readers.h"
#include "common/base/parse_number.h"

namespace devrun::launch {

namespace {

constexpr size_t kPortRangesMax = 64;
constexpr int64_t kSecondsMax = 86'400 * 30;

std::optional<PortRange> parse_ports(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_number<uint16_t>(text.substr(0, std::min(dash, text.size())));
  const auto last =
      dash == std::string_view::npos ? first : parse_number<uint16_t>(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
}

void read_port(Report& report, const std::string& field, const Node& node,
               std::vector<PortRange>& out) {
  std::optional<PortRange> ports;
  if (node.is_string()) ports = parse_ports(node.scalar.text);
  const bool is_number = node.kind == NodeKind::kScalar && node.scalar.kind == ScalarKind::kInt;
  if (is_number) ports = parse_ports(node.scalar.text);
  if (ports) return out.push_back(*ports);
  report.wrong_type(node.place, field, "a port such as 8080, or 8000-8010", node);
}

void read_probe(Report& report, const Node& node, Service& out) {
  if (node.kind != NodeKind::kMapping) {
    out.probe_path = read_string(report, "service.readiness_probe", node).value_or("");
    return;
  }
  for (const Entry* entry : walk_fields(report, node, probe_fields(), "service.readiness_probe")) {
    const std::string field = "service.readiness_probe." + entry->key;
    const Node& value = *entry->value;
    if (entry->key == "path") out.probe_path = read_string(report, field, value).value_or("");
    if (entry->key == "post_data") {
      out.probe_post = value.is_string() ? value.scalar.text : "{…}";
    }
    if (entry->key == "initial_delay_seconds") {
      out.initial_delay_seconds = read_int(report, field, value, 0, kSecondsMax).value_or(0);
    }
    if (entry->key == "timeout_seconds") {
      out.timeout_seconds = read_int(report, field, value, 0, kSecondsMax).value_or(0);
    }
  }
}

// Only `min_replicas` says how many there are at the least.
void read_policy(Report& report, const Entry& entry, Service& out) {
  const Node& node = *entry.value;
  if (node.kind != NodeKind::kMapping) {
    return report.wrong_type(node.place, "service.replica_policy", "a map", node);
  }
  if (const Entry* least = node.find("min_replicas");
      least != nullptr && !least->value->is_null()) {
    out.replicas = read_int(report, "service.replica_policy.min_replicas", *least->value, 0, 10'000)
                       .value_or(1);
  }
  report.not_read(entry.key_place, "service.replica_policy",
                  {"replica_policy", Handling::kHint, kMap, "there is one replica"});
}

}  // namespace

std::vector<PortRange> read_ports(Report& report, const std::string& field, const Node& node) {
  std::vector<PortRange> out;
  if (node.kind != NodeKind::kSequence) {
    read_port(report, field, node, out);
    return out;
  }
  if (node.items.size() > kPortRangesMax) {
    report.error(node.place, fmt::format("{}: at most {} entries", field, kPortRangesMax));
    return out;
  }
  for (const Node* item : node.items) read_port(report, field, *item, out);
  return out;
}

Service read_service(Report& report, const Entry& entry) {
  Service out;
  out.place = entry.key_place;
  const Node& node = *entry.value;
  if (node.kind != NodeKind::kMapping) {
    report.wrong_type(node.place, "service", "a map such as {readiness_probe: /}", node);
    return out;
  }
  const Entry* replicas = nullptr;
  for (const Entry* part : walk_fields(report, node, service_fields(), "service")) {
    const Node& value = *part->value;
    if (part->key == "readiness_probe") read_probe(report, value, out);
    if (part->key == "ports") out.ports = read_ports(report, "service.ports", value);
    if (part->key == "replica_policy") read_policy(report, *part, out);
    if (part->key == "replicas") {
      replicas = part;
      out.replicas = read_int(report, "service.replicas", value, 0, 10'000).value_or(1);
    }
  }
  if (out.replicas > 1) {
    report.unsupported(replicas == nullptr ? entry.key_place : replicas->key_place,
                       fmt::format("service: one replica is run, and not {}", out.replicas));
  }
  return out;
}

}  // namespace devrun::launch
