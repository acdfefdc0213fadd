#include "cli/launch/yaml_merge.h"

#include <fmt/format.h>

#include <unordered_map>

namespace devrun::launch {

namespace {

// Keeps the place in the order that a key was given first, and the value it was given last.
class Entries {
 public:
  explicit Entries(std::vector<Entry>& out) : out_(out) {}
  void set(const Entry& entry) {
    const auto [found, added] = index_.try_emplace(entry.key, out_.size());
    if (added) {
      out_.push_back(entry);
    } else {
      out_[found->second] = entry;
    }
  }

 private:
  std::vector<Entry>& out_;
  std::unordered_map<std::string, size_t> index_;
};

void merge_one(Entries& out, const Node& from, const Place& place,
               std::vector<Diagnostic>& diagnostics) {
  if (from.kind != NodeKind::kMapping) {
    diagnostics.push_back(error_at(
        place, fmt::format("'<<' merges a map or a list of maps, found {}", describe_kind(from))));
    return;
  }
  for (const Entry& entry : from.entries) out.set(entry);
}

}  // namespace

void merge_entries(Node& mapping, const std::vector<RawEntry>& written,
                   std::vector<Diagnostic>& diagnostics) {
  mapping.entries.clear();
  Entries out(mapping.entries);
  for (const RawEntry& raw : written) {
    if (!raw.merge) continue;
    if (raw.value->kind == NodeKind::kSequence) {
      const auto& maps = raw.value->items;
      for (size_t i = maps.size(); i-- > 0;) merge_one(out, *maps[i], raw.key_place, diagnostics);
    } else {
      merge_one(out, *raw.value, raw.key_place, diagnostics);
    }
  }
  std::unordered_map<std::string, Place> own;
  for (const RawEntry& raw : written) {
    if (raw.merge) continue;
    const auto [first, added] = own.try_emplace(raw.key, raw.key_place);
    if (!added) {
      diagnostics.push_back(
          error_at(raw.key_place,
                   fmt::format("the key '{}' is repeated: it stands in line {} already", raw.key,
                               first->second.line),
                   "keep one of the two"));
      continue;
    }
    out.set({raw.key, raw.key_place, raw.value});
  }
}

}  // namespace devrun::launch
