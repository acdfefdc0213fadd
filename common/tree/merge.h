// The three-way merge of trees: what `theirs` changed against `base`, laid over `ours`. One function
// serves results that come home, jobs that wait for others, retries, derived set-up snapshots,
// `undo` and `apply`, because a change set is a pair of trees (before, after): what an attempt
// wrote is its root tree and the tree that it left.
//
// Nothing is lost and nothing is guessed. Wherever both sides changed one thing, `ours` stays and
// the conflict is told as a value, with all three entries. In detail:
//
//   equal bytes on both sides           no conflict; ours stays
//   one side changed                    that side
//   one changed bytes, the other mode   both, in a file of its own identity (see below)
//   theirs deleted a folder             what ours did not touch in it goes; what it changed stays,
//                                       each a conflict
//   ours deleted what theirs changed    stays deleted, one conflict for the whole of it
//   file against folder and the like    one conflict
//   bytes on one side, names on the other (a hard link made or gone)   a conflict: taking both
//                                       would tear the names of one file apart
//
// Modification times alone never conflict: the later one counts. Folders that differ in nothing but
// times are the same.
//
// Identity: nodes key their caches by (lineage, inode, ctime, body), and a key must never mean two
// different files. So an entry that mixes both sides gets the lineage of the merge and a number of
// its own; all others keep the side's that they come from. The same three trees and lineage give
// the same result, byte for byte.
//
// Cost: only folders that differ on both sides are read. Pure, but for what the reader and the
// sinks do.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/tree/codec.h"
#include "common/tree/diff.h"
#include "common/tree/tree.h"

namespace devrun::tree {

enum class ConflictKind : uint8_t {
  kChangedOnBoth = 1,
  kAddedOnBoth = 2,
  kOursChangedTheirsDeleted = 3,
  kOursDeletedTheirsChanged = 4,
  kTypes = 5,       // the two sides left different kinds of entries
  kLinks = 6,       // one changed the bytes, the other the names of a file with several
  kAttributes = 7,  // mode, owner or extended attributes differ on all three
};

struct Conflict {
  std::string path;  // "home/ada/x"
  ConflictKind kind = ConflictKind::kChangedOnBoth;
  std::optional<Entry> base;  // none: was not there
  std::optional<Entry> ours;
  std::optional<Entry> theirs;
};

struct MergeRequest {
  DirectoryReader& reader;  // of all three trees
  const Entry& base;        // the roots: directories
  const Entry& ours;
  const Entry& theirs;
  Lineage volume{};  // lineage that new directory objects are written for: that of `ours`
  Lineage merge{};   // lineage of entries that mix both sides: never used before
};

// New directory objects, each after those that it names; and conflicts, in the order of their
// paths. Both end the merge by an error.
using ObjectSink = std::function<Status(const Object&)>;
using ConflictSink = std::function<Status(const Conflict&)>;

// The merged root. Errors: those of the reader and the sinks; kExhausted beyond 4096 levels.
Result<Entry> merge_trees(const MergeRequest& request, const ObjectSink& objects,
                          const ConflictSink& conflicts);

}  // namespace devrun::tree
