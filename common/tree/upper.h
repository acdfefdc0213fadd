// From what an overlay's upper layer holds to the tree that an attempt left: its root tree with the
// upper laid over it. The pair (root tree, this tree) is the attempt's change set: no further entry
// types are needed for what was deleted or replaced, equal folders keep their names, and
// merge_trees lays the change set over any other tree.
//
// An upper is what the kernel's overlay writes (Documentation/filesystems/overlayfs.rst):
// a whiteout hides a name; an opaque folder hides what was below; a redirect says from where in the
// lower tree a renamed folder has what was below; a metacopy file has attributes of its own and the
// lower file's bytes. Reading one from disk is the agent's part; this is pure, but for the reader.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/tree/diff.h"
#include "common/tree/merge.h"
#include "common/tree/tree.h"

namespace devrun::tree {

struct UpperEntry;

struct UpperFolder {
  bool opaque = false;
  // As the kernel writes it: "name" (in the parent's lower folder) or "/path/from/the/root"; empty:
  // none.
  std::string redirect;
  std::vector<UpperEntry> entries;  // sorted by name
};

struct UpperEntry {
  Entry entry;            // of a directory without its object
  bool whiteout = false;  // only entry.name counts
  bool metacopy = false;  // regular: body and size are the lower file's
  std::string redirect;   // metacopy: where that lies, as above
  UpperFolder folder;     // directories
};

// The root of `base` with `upper` laid over it; `root` has the attributes of the result's root.
// New directory objects go to `objects`, each after those that it names. kCorrupt names what in the
// upper fits no lower tree; kExhausted beyond 4096 levels.
Result<Entry> lay_upper(DirectoryReader& reader, const Entry& base, const Entry& root,
                        const UpperFolder& upper, const Lineage& volume, const ObjectSink& objects);

}  // namespace devrun::tree
