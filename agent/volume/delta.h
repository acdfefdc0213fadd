// What lies over one tree to make it look like another: the upper of two lower layers of an
// overlay (layers.cc says what for).
//
// A delta holds each entry that differs, each folder that leads to one, with the attributes that it
// has in the new tree, and for each name that is gone a whiteout: a character device 0:0. By the
// overlay's rules a folder merges with the folder below it, anything else hides what is below, and a
// folder over something else shows its own content alone. Entries are compared in all that a job
// could see, inode and change time included, so that the overlay is the new tree and nothing less.
//
// Pure, but for decoding the folders that differ.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/volume/directory_table.h"
#include "common/tree/codec.h"

namespace devrun::volume {

inline constexpr size_t kDeltaEntriesMax = 512;

struct Delta {
  Digest root;
  std::vector<tree::Object> objects;  // each once
};

tree::Entry unpacked(const PackedDirectory::Entry& entry);

// From the content of one tree's root to that of another. None if it takes more than
// kDeltaEntriesMax entries, or what an overlay of two layers could not show rightly: an entry that
// differs has several names (hard links would be looked for in both layers), extended attributes
// (the mount of such trees has opaque folders and more), or is a whiteout itself; a mount point has
// become a folder or the reverse; a folder that is needed cannot be read.
// `mark`, if not empty, is a name that nothing has: a whiteout of it tells this delta from one of the same content.
std::optional<Delta> make_delta(DirectoryTable& directories, const Digest& base, const Digest& tree,
                                const tree::Lineage& lineage, const std::string& mark = {});

}  // namespace devrun::volume
