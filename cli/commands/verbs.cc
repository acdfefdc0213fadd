#include "cli/commands/verbs.h"

#include <fmt/format.h>

namespace devrun::cli {

Status only_for(const Arguments& arguments, std::string_view verb) {
  for (const Given& given : arguments.given) {
    const std::string_view meaning = given.option->meaning;
    const size_t colon = meaning.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string_view verbs = meaning.substr(0, colon);
    bool belongs = false;
    for (size_t at = 0; at < verbs.size();) {
      const size_t end = std::min(verbs.find(", ", at), verbs.size());
      belongs = belongs || verbs.substr(at, end - at) == verb;
      at = end + 2;
    }
    if (belongs) continue;
    return Error{Code::kInvalid,
                 fmt::format("{} goes with {}, not with {}", given.as_typed, verbs, verb),
                 {}};
  }
  return ok();
}

Result<SnapshotName> parse_snapshot_name(const std::string& text) {
  const size_t at = text.find('@');
  if (at == std::string::npos && !text.empty()) return SnapshotName{text, {}};
  if (at != std::string::npos && at + 1 < text.size() &&
      text.find('@', at + 1) == std::string::npos) {
    return SnapshotName{text.substr(0, at), text.substr(at + 1)};
  }
  return Error{
      Code::kInvalid, fmt::format("'{}': expected VOLUME@SNAPSHOT, such as ada@12", text), {}};
}

}  // namespace devrun::cli
