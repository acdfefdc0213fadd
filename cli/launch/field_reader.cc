#include "cli/launch/field_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/suggest.h"

namespace devrun::launch {

namespace {

unsigned kind_bit(const Node& node) {
  if (node.kind == NodeKind::kSequence) return kList;
  if (node.kind == NodeKind::kMapping) return kMap;
  switch (node.scalar.kind) {
    case ScalarKind::kBool:
      return kBool;
    case ScalarKind::kInt:
      return kInt;
    case ScalarKind::kFloat:
      return kFloat;
    default:
      return kString;
  }
}

std::string kinds_text(unsigned kinds) {
  std::vector<std::string_view> words;
  if ((kinds & kString) != 0) words.push_back("a string");
  if ((kinds & kBool) != 0) words.push_back("true or false");
  if ((kinds & kFloat) != 0) {
    words.push_back("a number");
  } else if ((kinds & kInt) != 0) {
    words.push_back("a whole number");
  }
  if ((kinds & kList) != 0) words.push_back("a list");
  if ((kinds & kMap) != 0) words.push_back("a map");
  return fmt::format("{}", fmt::join(words, " or "));
}

bool has_field(std::span<const Field> fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [name](const Field& field) { return field.name == name; });
}

void unknown_key(Report& report, const Entry& entry, std::span<const Field> fields,
                 std::string_view path) {
  const bool top = path.empty();
  const std::string where = top ? "" : fmt::format(" in {}", path);
  std::string hint;
  std::vector<std::string_view> names;
  for (const Field& field : fields) {
    if (!field.name.starts_with('_')) names.push_back(field.name);
  }
  if (const auto near = nearest_word(entry.key, names)) {
    hint = fmt::format("did you mean '{}'?", *near);
  } else if (top && has_field(resources_fields(), entry.key)) {
    hint = fmt::format("'{}' belongs under 'resources:'", entry.key);
  } else if (!top && has_field(task_fields(), entry.key)) {
    hint = fmt::format("'{}' belongs at the top of the file", entry.key);
  } else {
    hint = fmt::format("expected one of {}", fmt::join(names, ", "));
  }
  std::string shown = entry.key.substr(0, 64);
  report.error(entry.key_place, fmt::format("unknown key '{}'{}", shown, where), std::move(hint));
}

}  // namespace

void Report::wrong_type(const Place& place, std::string_view field, std::string_view expected,
                        const Node& found, std::string hint) {
  error(place, fmt::format("{}: expected {}, found {}", field, expected, describe(found)),
        std::move(hint));
}

void Report::not_read(const Place& place, const std::string& path, const Field& field) {
  if (!not_read_.insert(path).second) return;
  const std::string_view why = field.consequence;
  std::string message = fmt::format("'{}' has no effect{}{}", path, why.empty() ? "" : ": ", why);
  field.handling == Handling::kUnsupported ? unsupported(place, std::move(message))
                                           : warning(place, std::move(message));
}

std::optional<std::string> read_string(Report& report, std::string_view field, const Node& node) {
  if (node.is_string()) return node.scalar.text;
  const bool quotable = node.kind == NodeKind::kScalar && !node.is_null();
  report.wrong_type(node.place, field, "a string", node, quotable ? "put it in quotes" : "");
  return std::nullopt;
}

std::optional<int64_t> read_int(Report& report, std::string_view field, const Node& node,
                                int64_t least, int64_t most) {
  const bool number = node.kind == NodeKind::kScalar && node.scalar.kind == ScalarKind::kInt;
  if (number && node.scalar.integer && *node.scalar.integer >= least &&
      *node.scalar.integer <= most) {
    return node.scalar.integer;
  }
  report.wrong_type(node.place, field, fmt::format("a whole number from {} to {}", least, most),
                    node);
  return std::nullopt;
}

std::vector<const Entry*> walk_fields(Report& report, const Node& mapping,
                                      std::span<const Field> fields, std::string_view path) {
  std::vector<const Entry*> read;
  for (const Entry& entry : mapping.entries) {
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& f) { return f.name == entry.key; });
    if (field == fields.end()) {
      unknown_key(report, entry, fields, path);
      continue;
    }
    if (entry.value->is_null()) continue;
    const std::string full = path.empty() ? entry.key : fmt::format("{}.{}", path, entry.key);
    if (field->handling == Handling::kRead) {
      read.push_back(&entry);
    } else if ((field->kinds & kind_bit(*entry.value)) == 0) {
      report.wrong_type(entry.value->place, full, kinds_text(field->kinds), *entry.value);
    } else {
      report.not_read(entry.key_place, full, *field);
    }
  }
  return read;
}

}  // namespace devrun::launch
