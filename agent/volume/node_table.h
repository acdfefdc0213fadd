// Node ids of the FUSE mounts. A node says where its attributes stand (a directory object and an
// entry in it), so they can never change; ids count up and are never used again.
//
// Which entries are one node, so that the kernel keeps one inode and one set of cached pages for
// them:
//  - files, links, devices: entries of the same source file in the same state (lineage, inode,
//    ctime, body and all attributes), whatever the snapshot. Two different names of one tree are one
//    node only if the entries say that they are hard links (links > 1): a file of one link is bound
//    to its path too, so that even a source that reuses inode numbers (nested subvolumes) cannot
//    make two files one;
//  - folders: one node per snapshot and path, since the kernel forbids a folder two parents.
//
// Nodes are not freed when the kernel forgets them: 40 bytes for each inode ever looked up is
// little, and a name that is looked up again gets its old id, without which overlayfs would report
// ESTALE.
//
// The records themselves lie in NodeState, which outlives devrun-fs: a restarted one finds every id
// there in order and only has to make the index anew (Vfs::recover).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "agent/volume/directory_table.h"
#include "agent/volume/node_state.h"

namespace devrun::volume {

using NodeId = uint64_t;
inline constexpr NodeId kRootNode = 1;  // the mount's own root; trees are its entries

class NodeTable {
 public:
  explicit NodeTable(NodeState& records) : records_(records) {}

  // The node with this hash of which `same` holds, else a new one. 0 if the table is full.
  NodeId intern(uint64_t hash, const Node& fresh, const std::function<bool(const Node&)>& same);
  // A node that the records had before: found by this hash from now on.
  void recover(uint32_t index, uint64_t hash);

  bool holds(NodeId id) const { return id > kRootNode && id - kFirst < count(); }
  const Node& at(NodeId id) const { return records_.node(id - kFirst); }
  static uint32_t index_of(NodeId id) { return static_cast<uint32_t>(id - kFirst); }
  static NodeId id_of(uint32_t index) { return index + kFirst; }

  size_t count() const { return records_.node_count(); }
  size_t bytes() const { return count() * sizeof(Node) + cells_.size() * sizeof(Cell); }

 private:
  static constexpr NodeId kFirst = kRootNode + 1;
  // Open addressing: the upper half of a hash and a node's index + 1; 0 is free.
  struct Cell {
    uint32_t hash = 0;
    uint32_t node = 0;
  };

  void make_room();
  void grow();

  NodeState& records_;
  std::vector<Cell> cells_;  // a power of two
  size_t used_ = 0;          // of cells_
};

}  // namespace devrun::volume
