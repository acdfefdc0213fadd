// What all readers of fields share: where diagnostics go, and values of a wanted kind taken from nodes.
// A reader that gets nothing has already reported why.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/launch/document.h"
#include "cli/launch/known_fields.h"

namespace devrun::launch {

// Of one document.
class Report {
 public:
  explicit Report(std::vector<Diagnostic>& diagnostics) : diagnostics_(diagnostics) {}

  void error(const Place& place, std::string message, std::string hint = {}) {
    diagnostics_.push_back(error_at(place, std::move(message), std::move(hint)));
  }
  // "num_nodes: expected a whole number, found the string 'two'".
  void wrong_type(const Place& place, std::string_view field, std::string_view expected,
                  const Node& found, std::string hint = {});
  void warning(const Place& place, std::string message, std::string hint = {}) {
    diagnostics_.push_back(warning_at(place, std::move(message), std::move(hint)));
  }
  void unsupported(const Place& place, std::string message, std::string hint = {}) {
    diagnostics_.push_back(unsupported_at(place, std::move(message), std::move(hint)));
  }
  // What is not read, once per field.
  void not_read(const Place& place, const std::string& path, const Field& field);

 private:
  std::vector<Diagnostic>& diagnostics_;
  std::set<std::string> not_read_;
};

std::optional<std::string> read_string(Report& report, std::string_view field, const Node& node);
std::optional<int64_t> read_int(Report& report, std::string_view field, const Node& node,
                                int64_t least, int64_t most);

// Goes through a mapping's known fields: unknown keys are errors, null is as if absent, fields that
// are not read are warned of after a check of their type. The others come back, in the order written.
std::vector<const Entry*> walk_fields(Report& report, const Node& mapping,
                                      std::span<const Field> fields, std::string_view path);

}  // namespace devrun::launch
