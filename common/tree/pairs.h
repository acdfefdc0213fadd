// Two folders side by side: each name that either has, in order, with what they have there.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::tree {

// `each` gets the name and both entries, null where a folder has none; its error ends the walk.
template <typename Each>
Status each_pair(const Directory& one, const Directory& other, const Each& each) {
  auto at = one.entries.begin();
  auto with = other.entries.begin();
  while (at != one.entries.end() || with != other.entries.end()) {
    const bool only_one =
        with == other.entries.end() || (at != one.entries.end() && at->name < with->name);
    const bool only_other =
        at == one.entries.end() || (with != other.entries.end() && with->name < at->name);
    const Entry* const first = only_other ? nullptr : &*at++;
    const Entry* const second = only_one ? nullptr : &*with++;
    TRY(each(first != nullptr ? first->name : second->name, first, second));
  }
  return ok();
}

}  // namespace devrun::tree
