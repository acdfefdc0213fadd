// `accelerators`, in all its forms: `H100`, `H100:8`, `T4:0.5`, a list (in order of preference), a set
// or map. YAML reads `{H100:8, A100:8}` as the keys `H100:8` and `A100:8` with null.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "cli/launch/readers.h"
#include "common/model/gpu_names.h"

namespace devrun::launch {

namespace {

constexpr double kGpusMax = 4096;
constexpr std::string_view kExpected = "a type and a count such as H100:8, or T4:0.5 for a share";

bool type_is_plausible(std::string_view type) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. ";
  return !type.empty() && type.size() <= 64 && type.front() != ' ' &&
         type.find_first_not_of(kLetters) == std::string_view::npos;
}

// Whole, or below 1.
bool count_is_possible(double count) {
  return count > 0 && count <= kGpusMax && (count < 1 || count == std::floor(count));
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<GpuRequest> parse(std::string_view text, bool& has_count) {
  const size_t colon = text.find(':');
  const std::string_view type = trimmed(text.substr(0, std::min(colon, text.size())));
  has_count = colon != std::string_view::npos;
  if (!type_is_plausible(type)) return std::nullopt;
  GpuRequest out{canonical_gpu_type(type), 1};
  if (!has_count) return out;
  const std::string_view count = trimmed(text.substr(colon + 1));
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), out.count);
  if (error != std::errc{} || end != count.data() + count.size()) return std::nullopt;
  if (!count_is_possible(out.count)) return std::nullopt;
  return out;
}

void bad(Report& report, const Place& place, const std::string& field, const std::string& found) {
  report.error(place, fmt::format("{}: expected {}, found {}", field, kExpected, found));
}

void read_item(Report& report, const std::string& field, const Node& node,
               std::vector<GpuRequest>& out) {
  bool has_count = false;
  const auto gpu = node.is_string() ? parse(node.scalar.text, has_count) : std::nullopt;
  if (gpu) {
    out.push_back(*gpu);
  } else {
    bad(report, node.place, field, describe(node));
  }
}

void read_entry(Report& report, const std::string& field, const Entry& entry,
                std::vector<GpuRequest>& out) {
  bool has_count = false;
  auto gpu = parse(entry.key, has_count);
  if (!gpu)
    return bad(report, entry.key_place, field, fmt::format("'{}'", entry.key.substr(0, 64)));
  const Node& value = *entry.value;
  if (!value.is_null()) {
    if (has_count) {
      return report.error(value.place,
                          fmt::format("{}: the count of '{}' is given twice", field, entry.key),
                          fmt::format("write {{{}}} or {{{}: {}}}", entry.key, gpu->type,
                                      python_float(gpu->count)));
    }
    const bool number = value.kind == NodeKind::kScalar && value.scalar.is_number();
    if (!number || !count_is_possible(value.scalar.number)) {
      return report.wrong_type(value.place, fmt::format("{}.{}", field, entry.key),
                               "a whole number of GPUs, or a share below 1", value);
    }
    gpu->count = value.scalar.number;
  }
  out.push_back(*std::move(gpu));
}

}  // namespace

std::optional<GpuRequest> parse_gpu(std::string_view text) {
  bool has_count = false;
  return parse(text, has_count);
}

std::vector<GpuRequest> read_gpus(Report& report, const std::string& field, const Node& node) {
  std::vector<GpuRequest> out;
  if (node.kind == NodeKind::kScalar) read_item(report, field, node, out);
  for (const Node* item : node.items) read_item(report, field, *item, out);
  for (const Entry& entry : node.entries) read_entry(report, field, entry, out);
  const bool empty = node.kind != NodeKind::kScalar && node.items.empty() && node.entries.empty();
  if (empty)
    bad(report, node.place, field, fmt::format("an empty {}", describe_kind(node).substr(2)));
  return out;
}

}  // namespace devrun::launch
