#include "agent/gpu/named.h"

#include <fmt/format.h>

#include <algorithm>

namespace devrun::gpu {

namespace {

// The GPU itself, or the one that it is a slice of.
const std::string& whole_uuid(const FoundGpu& found) {
  return found.gpu.slice.empty() ? found.gpu.uuid : found.parent;
}
uint32_t whole_index(const FoundGpu& found) {
  return found.gpu.slice.empty() ? found.gpu.index : found.gpu.slice_of;
}

}  // namespace

bool Named::is_name(const std::string& word) const {
  return std::find(names_.begin(), names_.end(), word) != names_.end();
}

bool Named::is_own(const FoundGpu& found) const {
  if (names_.empty() || is_name(found.gpu.uuid) || is_name(whole_uuid(found))) return true;
  return std::any_of(of_number_.begin(), of_number_.end(), [&](const auto& entry) {
    return is_name(entry.first) && entry.second == whole_uuid(found);
  });
}

std::vector<FoundGpu> Named::own(const std::vector<FoundGpu>& all) {
  for (const Maker maker : {Maker::kNvidia, Maker::kAmd}) {
    for (const FoundGpu& found : all) {
      const std::string number = std::to_string(whole_index(found));
      if (found.maker != maker || whole_uuid(found).empty() || !is_name(number)) continue;
      of_number_.try_emplace(number, whole_uuid(found));
    }
  }
  std::vector<FoundGpu> out;
  for (const FoundGpu& found : all) {
    // One that has never answered has no UUID yet.
    const std::string number = std::to_string(whole_index(found));
    const bool silent = whole_uuid(found).empty() && is_name(number);
    if (is_own(found) || (silent && of_number_.count(number) == 0)) out.push_back(found);
  }
  return out;
}

std::vector<std::string> Named::missing(const std::vector<FoundGpu>& own) const {
  std::vector<std::string> out;
  for (const std::string& name : names_) {
    const auto number = of_number_.find(name);
    const bool there = std::any_of(own.begin(), own.end(), [&](const FoundGpu& found) {
      if (name == found.gpu.uuid || name == whole_uuid(found)) return true;
      return number != of_number_.end() && number->second == whole_uuid(found);
    });
    if (!there) out.push_back(name);
  }
  return out;
}

std::string Named::text() const {
  std::string out;
  for (const auto& [number, uuid] : of_number_) {
    if (is_name(number)) out += fmt::format("name {} {}\n", number, uuid);
  }
  return out;
}

void Named::read_line(std::string_view line) {
  constexpr std::string_view kMark = "name ";
  if (!line.starts_with(kMark)) return;
  line.remove_prefix(kMark.size());
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return;
  of_number_[std::string(line.substr(0, space))] = std::string(line.substr(space + 1));
}

}  // namespace devrun::gpu
