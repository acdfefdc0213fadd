// The entries of a mapping as written become the entries that it has: merge keys `<<` are followed as
// PyYAML does (merged first, the first of several maps wins, own entries win over merged), repeated
// keys are errors.
#pragma once

#include <string>
#include <vector>

#include "cli/launch/diagnostic.h"
#include "cli/launch/document.h"

namespace devrun::launch {

struct RawEntry {
  std::string key;
  Place key_place;
  const Node* value = nullptr;
  bool merge = false;  // a plain `<<`
};

void merge_entries(Node& mapping, const std::vector<RawEntry>& written,
                   std::vector<Diagnostic>& diagnostics);

}  // namespace devrun::launch
