// `envs` and `secrets`: maps of names to values, null for "required"; secrets also as a list of names.
// Nothing here may put a secret's value into a diagnostic.
#include <fmt/format.h>

#include "cli/launch/readers.h"
#include "common/base/shell_words.h"

namespace devrun::launch {

namespace {

bool check_name(Report& report, std::string_view field, const std::string& name,
                const Place& place) {
  if (is_variable_name(name)) return true;
  report.error(place,
               fmt::format("{}: '{}' cannot be the name of a variable", field, name.substr(0, 64)),
               fmt::format("expected {}", kNameExpected));
  return false;
}

std::vector<Variable> read_map(Report& report, std::string_view field, const Node& node) {
  std::vector<Variable> out;
  for (const Entry& entry : node.entries) {
    if (!check_name(report, field, entry.key, entry.key_place)) continue;
    if (entry.value->kind != NodeKind::kScalar) {
      report.error(entry.value->place,
                   fmt::format("{}.{}: expected one value, found {}", field, entry.key,
                               describe_kind(*entry.value)),
                   "put it in quotes to pass it as text");
      continue;
    }
    std::optional<std::string> value;
    if (!entry.value->is_null()) value = python_str(entry.value->scalar);
    out.push_back({entry.key, std::move(value), entry.key_place});
  }
  return out;
}

void collect_texts(const Node& node, Redactions& out) {
  if (node.kind == NodeKind::kScalar && !node.is_null()) out.add(node.scalar.text);
  for (const Entry& entry : node.entries) collect_texts(*entry.value, out);
}

}  // namespace

std::vector<Variable> read_envs(Report& report, const Node& node) {
  if (node.kind == NodeKind::kMapping) return read_map(report, "envs", node);
  report.wrong_type(node.place, "envs", "a map of names to values", node);
  return {};
}

std::vector<Variable> read_secrets(Report& report, const Node& node) {
  if (node.kind == NodeKind::kMapping) return read_map(report, "secrets", node);
  std::vector<Variable> out;
  if (node.kind == NodeKind::kScalar) {
    report.error(node.place,
                 fmt::format("secrets: expected a map of names to values or a list of names, "
                             "found {}",
                             describe_kind(node)));
    return out;
  }
  for (const Node* item : node.items) {
    if (!item->is_string()) {
      report.error(item->place,
                   fmt::format("secrets: expected a name, found {}", describe_kind(*item)));
    } else if (is_variable_name(item->scalar.text)) {
      out.push_back({item->scalar.text, std::nullopt, item->place});
    } else {
      // It may be a value in the wrong place.
      report.error(item->place, "secrets: an item of the list is no name of a variable",
                   fmt::format("expected {}", kNameExpected));
    }
  }
  return out;
}

void collect_secrets(const Node& document, Redactions& out) {
  const Entry* secrets = document.find("secrets");
  // The items of a list are names, unless they cannot be.
  if (secrets == nullptr) return;
  collect_texts(*secrets->value, out);
  for (const Node* item : secrets->value->items) {
    if (item->kind != NodeKind::kScalar || !is_variable_name(item->scalar.text)) {
      collect_texts(*item, out);
    }
  }
}

}  // namespace devrun::launch
