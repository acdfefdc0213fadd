// What of devrun-fs must outlive it, so that a restarted one can take its mounts over: which node
// is which entry, which packs and trees were loaded in what order, how the mounts were agreed upon
// with the kernel, and which requests were taken and not yet answered.
//
// It lives in a shared memory file whose descriptor the keeper holds: its life is that of the
// mounts, a killed server leaves it as it was at its last instruction, and nothing is written to
// disk for a lookup. Packs and manifests, which are large and rarely needed, go to an unlinked file
// on disk beside it; without room for them they are read from the store again.
//
// The order of writing is what makes it right: a record is complete before the count that covers it
// is raised, and both before any reply that names the node. Files are sparse, so that addresses
// never move; room is taken in steps, so that full memory is an error here and no signal later.
//
// One writer at a time (Vfs's lock) for nodes and events; slots belong to FuseFront.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::volume {

// A node's record; node_table.h says what it means.
struct Node {
  uint32_t directory = 0;  // of the entry that describes it
  uint32_t entry = 0;
  uint32_t own = 0xffffffff;  // folders: what they contain
  uint32_t parent = 0;        // index of the node above; of a file: when it was first seen
  uint64_t path_hash = 0;     // of the path within the tree; hard links: 0
};
static_assert(sizeof(Node) == 24);

// How one mount was agreed upon, and the requests that its server has taken.
struct MountState {
  static constexpr size_t kInitBytesMax = 512;
  static constexpr size_t kSlots = 1024;     // more than the kernel has under way at once
  static constexpr size_t kSlotBytes = 512;  // nothing that a read-only mount asks is longer

  uint32_t init_request_bytes = 0;  // 0: the kernel has not asked yet
  char init_request[kInitBytesMax] = {};
  // A request as the kernel wrote it. Its `unique` (8 bytes in) is 0 while there is none to answer.
  alignas(kSlotBytes) char slots[kSlots][kSlotBytes] = {};
};

class NodeState {
 public:
  static constexpr size_t kNodesMax = size_t{1} << 30;
  static constexpr size_t kEventsMax = size_t{1} << 20;
  static constexpr uint32_t kFormat = 1;

  enum class EventKind : uint32_t { kPack = 1, kTree = 2 };
  struct Event {
    EventKind kind = EventKind::kPack;
    uint32_t directories = 0;  // how many there were before it
    uint32_t root = 0;         // trees: index of the root's node
    uint32_t unused = 0;
    uint64_t offset = 0;  // of its bytes in the file on disk
    uint64_t bytes = 0;   // 0: they are in the store alone
    Digest id;
  };
  static_assert(sizeof(Event) == 64);

  // A new one. `folder` is where the file on disk is made (and unlinked); empty: none is.
  static Result<std::unique_ptr<NodeState>> create(const std::string& folder);
  // What another process left. kUnsupported if it is of another format; `disk` may be empty.
  static Result<std::unique_ptr<NodeState>> adopt(UniqueFd memory, UniqueFd disk);
  ~NodeState();
  NodeState(const NodeState&) = delete;
  NodeState& operator=(const NodeState&) = delete;

  size_t node_count() const;
  const Node& node(size_t index) const { return nodes_[index]; }
  // False: no room.
  bool add_node(const Node& node);

  size_t event_count() const;
  const Event& event(size_t index) const { return events_[index]; }
  // Keeps `bytes` on disk if there is room. False: no room for the event itself, or, with kAlways
  // (for what is in no store), for its bytes; there is no such event then.
  enum class Keep : uint8_t { kIfRoom, kAlways };
  bool add_event(Event event, std::string_view bytes, Keep keep);
  // Of an event with bytes. kIo, kCorrupt.
  Result<std::string> bytes_of(const Event& event) const;

  MountState& mount(bool xattrs) const;

  int memory_fd() const { return memory_.get(); }
  int disk_fd() const { return disk_.get(); }  // -1: none

 private:
  struct Header;
  NodeState(UniqueFd memory, UniqueFd disk, char* base);
  static Result<std::unique_ptr<NodeState>> map(UniqueFd memory, UniqueFd disk);
  bool take_room(uint64_t offset, uint64_t bytes, uint64_t& taken);

  const UniqueFd memory_;
  const UniqueFd disk_;
  char* const base_;
  Header* const header_;
  Event* const events_;
  Node* const nodes_;
  // Up to where memory was taken.
  uint64_t events_taken_ = 0;
  uint64_t nodes_taken_ = 0;
};

}  // namespace devrun::volume
