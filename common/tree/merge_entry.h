// The merge of one entry that all sides may have, without what lies below it: which side's bytes
// and which side's attributes. Pure values.
#pragma once

#include <optional>

#include "common/tree/merge.h"

namespace devrun::tree {

// The same for people; of directories also the same below.
bool same_entry(const Entry* one, const Entry* other);

struct MergedEntry {
  Entry entry;
  bool mixed = false;                    // parts of both sides: needs an identity of its own
  std::optional<ConflictKind> conflict;  // then `entry` is ours
};

// Two entries of one type, neither the same as the other nor both changed to it. For directories
// only attributes are decided, `directory` is ours. `base` is null, or of any type.
MergedEntry merge_entry(const Entry* base, const Entry& ours, const Entry& theirs);

}  // namespace devrun::tree
