// `resources`: cpus, memory, priority, recovery, and alternatives (any_of, ordered) for which the outer
// keys are defaults.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "cli/launch/readers.h"

namespace devrun::launch {

namespace {

constexpr double kCpusMax = 65'536;
constexpr double kMemoryBytesMax = 1e15;

// `4`, `0.5`, `4+`, `64GB+`: the number, what follows it, and the plus.
struct Quantity {
  double number = 0;
  std::string_view unit;
  bool at_least = false;
};

std::optional<Quantity> parse_quantity(std::string_view text) {
  Quantity out;
  if (text.ends_with('+')) {
    out.at_least = true;
    text.remove_suffix(1);
  }
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out.number, std::chars_format::fixed);
  if (parsed.ec != std::errc{} || !(out.number > 0)) return std::nullopt;
  out.unit = text.substr(static_cast<size_t>(parsed.ptr - text.data()));
  while (out.unit.starts_with(' ')) out.unit.remove_prefix(1);
  return out;
}

std::optional<Quantity> quantity_of(const Node& node) {
  if (node.kind != NodeKind::kScalar) return std::nullopt;
  if (node.is_string()) return parse_quantity(node.scalar.text);
  if (!node.scalar.is_number() || !(node.scalar.number > 0)) return std::nullopt;
  return Quantity{node.scalar.number, {}, false};
}

// Bytes of a unit; no unit is GB, and GB is GiB as everywhere in devrun.
std::optional<double> unit_bytes(std::string_view unit) {
  if (unit.empty()) return 1024.0 * 1024 * 1024;
  std::string lower(unit);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kPrefixes = "kmgtp";
  if (lower == "b") return 1.0;
  const size_t power = kPrefixes.find(lower[0]);
  const std::string rest = lower.substr(1);
  if (power == std::string_view::npos ||
      (!rest.empty() && rest != "b" && rest != "i" && rest != "ib")) {
    return std::nullopt;
  }
  return std::pow(1024.0, static_cast<double>(power + 1));
}

void read_cpus(Report& report, const std::string& field, const Node& node, ResourceRequest& out) {
  const auto quantity = quantity_of(node);
  if (!quantity || !quantity->unit.empty() || quantity->number > kCpusMax) {
    return report.wrong_type(node.place, field, "a number such as 4, 0.5 or 4+", node);
  }
  const auto milli = static_cast<int64_t>(std::ceil(quantity->number * 1000 - 1e-6));
  out.cpus = CpuRequest{milli, quantity->at_least};
}

void read_memory(Report& report, const std::string& field, const Node& node, ResourceRequest& out) {
  const auto quantity = quantity_of(node);
  const auto unit = quantity ? unit_bytes(quantity->unit) : std::nullopt;
  const double bytes = quantity && unit ? std::ceil(quantity->number * *unit) : 0;
  if (bytes < 1 || bytes > kMemoryBytesMax) {
    return report.wrong_type(node.place, field, "an amount such as 16 (in GB), 16+ or 64GB", node);
  }
  out.memory = MemoryRequest{static_cast<int64_t>(bytes), quantity->at_least};
}

// Only images by `docker:` are of use here: others name machines of a cloud.
void read_image(Report& report, const std::string& field, const Entry& entry,
                ResourceRequest& out) {
  constexpr std::string_view kDocker = "docker:";
  const Node& node = *entry.value;
  const bool is_map = node.kind == NodeKind::kMapping;
  if (!is_map && !node.is_string()) {
    return report.wrong_type(node.place, field, "an image such as docker:debian:bookworm", node);
  }
  out.image.clear();
  if (is_map || !node.scalar.text.starts_with(kDocker)) {
    return report.not_read(entry.key_place, field,
                           {"image_id", Handling::kHint, kString | kMap,
                            "an image without docker: is a cloud's; the task runs in the volume"});
  }
  out.image = node.scalar.text.substr(kDocker.size());
  const bool plain = out.image.find_first_of(" \t\n'\"\\$") == std::string::npos;
  if (out.image.empty() || out.image.size() > 512 || !plain) {
    report.wrong_type(node.place, field, "an image such as docker:debian:bookworm", node);
  }
}

// The fields that an alternative has too; `out` begins as its defaults.
void read_common(Report& report, const std::vector<const Entry*>& entries, const std::string& path,
                 ResourceRequest& out) {
  const Entry* gpus = nullptr;
  const Entry* recovery = nullptr;
  for (const Entry* entry : entries) {
    const std::string field = path + "." + entry->key;
    const Node& value = *entry->value;
    const auto only_one = [&](const Entry*& known) {
      if (known != nullptr) {
        report.error(
            entry->key_place,
            fmt::format("'{}' and '{}' are two names of one field", known->key, entry->key),
            "keep one of them");
      }
      return std::exchange(known, entry) == nullptr;
    };
    if (entry->key == "cpus") read_cpus(report, field, value, out);
    if (entry->key == "memory") read_memory(report, field, value, out);
    if (entry->key == "image_id") read_image(report, field, *entry, out);
    if (entry->key == "ports") out.ports = read_ports(report, field, value);
    if (entry->key == "priority") {
      const auto priority = read_int(report, field, value, -kPriorityMax, kPriorityMax);
      if (priority) out.priority = static_cast<int32_t>(*priority);
    }
    if ((entry->key == "accelerators" || entry->key == "gpus") && only_one(gpus)) {
      out.gpus = read_gpus(report, field, value);
    }
    if ((entry->key == "job_recovery" || entry->key == "spot_recovery") && only_one(recovery)) {
      out.recovery = read_recovery(report, field, value);
    }
  }
}

// `image_id: null` in an alternative takes back what stands outside.
void take_back(const Node& alternative, ResourceRequest& out) {
  for (const Entry& entry : alternative.entries) {
    if (!entry.value->is_null()) continue;
    if (entry.key == "cpus") out.cpus.reset();
    if (entry.key == "memory") out.memory.reset();
    if (entry.key == "accelerators" || entry.key == "gpus") out.gpus.clear();
    if (entry.key == "image_id") out.image.clear();
    if (entry.key == "ports") out.ports.clear();
    if (entry.key == "priority") out.priority.reset();
    if (entry.key == "job_recovery" || entry.key == "spot_recovery") out.recovery.reset();
  }
}

void read_alternatives(Report& report, const Entry& list, const ResourceRequest& defaults,
                       std::vector<ResourceRequest>& out) {
  const std::string field = "resources." + list.key;
  if (list.value->kind != NodeKind::kSequence || list.value->items.empty()) {
    return report.wrong_type(list.value->place, field, "a list of resources", *list.value);
  }
  for (const Node* item : list.value->items) {
    ResourceRequest& request = out.emplace_back(defaults);
    if (item->is_null()) continue;
    if (item->kind != NodeKind::kMapping) {
      report.wrong_type(item->place, field, "a map of resources", *item);
      continue;
    }
    take_back(*item, request);
    // Warnings name the field as if it stood outside: one for all alternatives.
    read_common(report, walk_fields(report, *item, alternative_fields(), "resources"), "resources",
                request);
  }
}

void read_codes(Report& report, const std::string& field, const Node& node, JobRecovery& out) {
  const auto one = [&](const Node& code) {
    const auto value = read_int(report, field, code, 0, 255);
    if (value) out.recover_on_exit_codes.push_back(static_cast<int32_t>(*value));
  };
  if (node.kind != NodeKind::kSequence) return one(node);
  for (const Node* item : node.items) one(*item);
}

}  // namespace

JobRecovery read_recovery(Report& report, const std::string& field, const Node& node) {
  JobRecovery out;
  if (node.kind != NodeKind::kMapping) {
    out.strategy = read_string(report, field, node).value_or("");
    return out;
  }
  for (const Entry* entry : walk_fields(report, node, recovery_fields(), field)) {
    const std::string name = field + "." + entry->key;
    if (entry->key == "strategy")
      out.strategy = read_string(report, name, *entry->value).value_or("");
    if (entry->key == "max_restarts_on_errors") {
      const auto count = read_int(report, name, *entry->value, 0, 1'000'000);
      if (count) out.max_restarts_on_errors = static_cast<int32_t>(*count);
    }
    if (entry->key == "recover_on_exit_codes") read_codes(report, name, *entry->value, out);
  }
  return out;
}

std::vector<ResourceRequest> read_resources(Report& report, const Node& node) {
  ResourceRequest defaults;
  if (node.kind != NodeKind::kMapping) {
    report.wrong_type(node.place, "resources", "a map such as {cpus: 4, memory: 16}", node);
    return {defaults};
  }
  const auto entries = walk_fields(report, node, resources_fields(), "resources");
  read_common(report, entries, "resources", defaults);
  std::vector<ResourceRequest> out;
  const Entry* list = nullptr;
  for (const Entry* entry : entries) {
    if (entry->key != "any_of" && entry->key != "ordered") continue;
    if (list != nullptr) {
      report.error(entry->key_place, "resources: any_of and ordered exclude each other",
                   "keep one of them");
    }
    list = entry;
    read_alternatives(report, *entry, defaults, out);
  }
  if (out.empty()) out.push_back(std::move(defaults));
  return out;
}

}  // namespace devrun::launch
