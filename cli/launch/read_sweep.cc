// `devrun:`, the one key that SkyPilot does not have: how many tasks there are, and what each is given.
//
//   devrun: {array: 8}                                  eight tasks, told their number
//   devrun: {sweep: {lr: [0.1, 0.2], seed: 1..3}}       six, one for each point
#include <fmt/format.h>

#include "cli/launch/readers.h"
#include "common/base/parse_number.h"
#include "common/base/shell_words.h"

namespace devrun::launch {

namespace {

// `1..5`, `0..10..2`, both ends included; nothing if it is no such text.
struct Span {
  int64_t first = 0;
  int64_t last = 0;
  int64_t step = 1;
};
std::optional<Span> parse_span(std::string_view text) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(dots + 2);
  const size_t more = std::min(rest.find(".."), rest.size());
  const auto first = parse_number<int64_t>(text.substr(0, dots));
  const auto last = parse_number<int64_t>(rest.substr(0, more));
  const auto step = more == rest.size() ? std::optional<int64_t>(1)
                                        : parse_number<int64_t>(rest.substr(more + 2));
  if (!first || !last || !step || *step < 1) return std::nullopt;
  constexpr int64_t kMax = int64_t{1} << 53;
  if (*first < -kMax || *last > kMax || *last < *first) return std::nullopt;
  return Span{*first, *last, *step};
}

bool is_meant_as_span(std::string_view text) {
  return text.find("..") != text.npos && text.find_first_not_of("0123456789.-+eE ") == text.npos;
}

void read_values(Report& report, const std::string& field, const Node& node, SweptVariable& out) {
  if (node.kind == NodeKind::kScalar && !node.is_null()) {
    const std::string text = python_str(node.scalar);
    const auto span = parse_span(text);
    if (!span && is_meant_as_span(text)) {
      return report.error(node.place, fmt::format("{}: '{}' is no span of numbers", field, text),
                          "expected FIRST..LAST or FIRST..LAST..STEP, whole numbers, upwards; of "
                          "others a list");
    }
    if (!span) return out.values.push_back(text);
    if ((span->last - span->first) / span->step >= kPointsMax) {
      return report.error(node.place, fmt::format("{}: at most {} values", field, kPointsMax));
    }
    for (int64_t value = span->first; value <= span->last; value += span->step) {
      out.values.push_back(std::to_string(value));
    }
    return;
  }
  for (const Node* item : node.items) {
    if (item->kind == NodeKind::kScalar && !item->is_null()) {
      out.values.push_back(python_str(item->scalar));
    } else {
      report.wrong_type(item->place, field, "one value in each place of the list", *item);
    }
  }
  if (out.values.empty()) {
    report.wrong_type(node.place, field, "a list of values, or numbers such as 1..5", node);
  }
}

void read_variables(Report& report, const Node& node, Sweep& out) {
  if (node.kind != NodeKind::kMapping || node.entries.empty()) {
    return report.wrong_type(node.place, "devrun.sweep",
                             "a map of variables to lists of their values", node);
  }
  if (node.entries.size() > kSweepVariablesMax) {
    return report.error(node.place,
                        fmt::format("devrun.sweep: at most {} variables", kSweepVariablesMax));
  }
  int64_t points = 1;
  for (const Entry& entry : node.entries) {
    if (!is_variable_name(entry.key)) {
      report.error(entry.key_place,
                   fmt::format("devrun.sweep: '{}' cannot be the name of a variable",
                               entry.key.substr(0, 64)),
                   fmt::format("expected {}", kNameExpected));
      continue;
    }
    SweptVariable variable{entry.key, {}, entry.key_place};
    read_values(report, "devrun.sweep." + entry.key, *entry.value, variable);
    if (variable.values.empty()) continue;
    points *= static_cast<int64_t>(variable.values.size());
    if (points > kPointsMax) {
      return report.error(entry.key_place,
                          fmt::format("devrun.sweep: more than {} points", kPointsMax));
    }
    out.variables.push_back(std::move(variable));
  }
}

}  // namespace

Sweep read_sweep(Report& report, const Entry& entry) {
  Sweep out;
  out.place = entry.key_place;
  const Node& node = *entry.value;
  if (node.kind != NodeKind::kMapping) {
    report.wrong_type(node.place, "devrun", "a map such as {array: 8} or {sweep: {lr: [1, 2]}}",
                      node);
    return out;
  }
  for (const Entry* part : walk_fields(report, node, devrun_fields(), "devrun")) {
    const Node& value = *part->value;
    if (part->key == "array") {
      out.array = read_int(report, "devrun.array", value, 1, kPointsMax).value_or(0);
    }
    if (part->key == "sweep") read_variables(report, value, out);
    if (part->key == "max_running") {
      out.max_running = read_int(report, "devrun.max_running", value, 1, kPointsMax).value_or(0);
    }
  }
  if (out.array > 0 && !out.variables.empty()) {
    report.error(entry.key_place, "devrun: array and sweep exclude each other",
                 "a sweep has a task for each of its points");
  }
  return out;
}

}  // namespace devrun::launch
