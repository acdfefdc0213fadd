// Taking a part of what differs between two trees: `base` with the entries of `other` wherever the
// caller says so. What comes home of a change set, and what of it a volume has taken, are such
// trees.
//
// A folder that is not chosen itself, and in which something is, is there with its own attributes;
// one that is gone in `other` goes when nothing is left in it. Entries that people could not tell
// apart are base's, so that nothing differs that need not. Cost: only folders that differ are read.
// Pure, but for what the reader and the sink do.
#pragma once

#include <functional>
#include <string>

#include "common/base/result.h"
#include "common/tree/diff.h"
#include "common/tree/merge.h"
#include "common/tree/tree.h"

namespace devrun::tree {

// Asked for the path ("home/ada/x") of every entry that differs, of folders also if only something
// in them does; null: the entry is not there.
using Chooser = std::function<bool(const std::string& path, const Entry* base, const Entry* other)>;

struct SelectRequest {
  DirectoryReader& reader;  // of both trees
  const Entry& base;        // the roots: directories
  const Entry& other;
  Lineage volume{};  // lineage that new directory objects are written for
  const Chooser& choose;
};

// The selected root. Errors: those of the reader and the sink; kExhausted beyond 4096 levels.
Result<Entry> select_tree(const SelectRequest& request, const ObjectSink& objects);

}  // namespace devrun::tree
