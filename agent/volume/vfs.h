// The immutable file system that a node shows: snapshots by tree id, folders and files by node.
// Knows neither FUSE nor NFS: the fronts translate, the store fetches.
//
// All metadata of a prepared tree is in memory, so that only prepare() and read() ever wait for the
// store. Any thread; one lock around the metadata (each call holds it for microseconds), none
// during fetches.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/volume/body_reader.h"
#include "agent/volume/directory_table.h"
#include "agent/volume/node_table.h"
#include "agent/volume/object_store.h"
#include "common/tree/codec.h"

namespace devrun::volume {

struct Attributes {
  tree::EntryType type = tree::EntryType::kDirectory;  // mount points show as directories
  uint32_t mode = 0;                                   // the twelve permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t links = 1;
  uint64_t size = 0;
  uint64_t device = 0;
  // As in the volume itself, so that what compares inode numbers (git's index) finds nothing
  // changed.
  uint64_t inode = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
};

struct Found {
  NodeId node = 0;
  Attributes attributes;
};

struct Listed {
  std::string_view name;
  Attributes attributes;
  NodeId node = 0;    // if asked for, and for "." and ".." never
  uint64_t next = 0;  // where to go on after this one
};

class Vfs {
 public:
  struct Limits {
    uint64_t body_memory_bytes_max = 64 << 20;
    uint64_t directory_bytes_max = uint64_t{4} << 30;
  };

  // `state` is a new one, or recover() comes before anything else.
  // `cache` may be null; all outlive it.
  Vfs(ObjectStore& store, DiskCache* cache, Limits limits, NodeState& state)
      : store_(store),
        limits_(limits),
        bodies_(store, cache, limits.body_memory_bytes_max),
        state_(state),
        nodes_(state) {}

  // Makes everything known again that `state` tells of: each node is the entry that it was. Waits
  // for the store only for what had no room on disk. kNotFound, kCorrupt: it cannot be done.
  Status recover();

  struct Prepared {
    NodeId root = 0;
    bool has_xattrs = false;
    tree::Lineage lineage{};  // of its volume; that of its root may be a merge's own
  };
  // Loads what is known of the tree. kNotFound: the store has no such tree; kUnavailable: it is
  // away; kCorrupt.
  Result<Prepared> prepare(const Digest& tree, std::chrono::steady_clock::time_point deadline);
  std::optional<Prepared> prepared(const Digest& tree) const;
  struct Tree {
    Digest id;
    Prepared prepared;
  };
  std::vector<Tree> trees() const;  // in the order of their preparation
  // What an overlay has to lay over each other to show a prepared tree, topmost first: the tree
  // itself, or a delta and the tree below it, all of one mount (layers.cc). Waits for nothing; the
  // answer for a tree never changes.
  std::vector<Digest> layers(const Digest& tree);
  // A tree that looks like a prepared one and has folders of its own, for the watcher `id`
  // (watches.h): the same for the same id, also after a restart.
  struct Watched {
    Digest tree;
    bool fresh = false;  // nobody has been told of it yet
  };
  Result<Watched> watched_tree(const Digest& tree, const std::string& id);

  // None: no such name. The error codes of all of these are kNotFound (no such node), kCorrupt,
  // kExhausted, kInvalid (a folder where a file should be or the reverse).
  Result<std::optional<Found>> lookup(NodeId folder, std::string_view name);
  Result<Attributes> attributes(NodeId node);
  // "." and "..", then the entries, from position `from` (0 is the start) until `emit` answers
  // false.
  Status list(NodeId folder, uint64_t from, bool with_nodes,
              const std::function<bool(const Listed&)>& emit);
  Result<std::string> link_target(NodeId link);
  Result<std::vector<tree::Xattr>> xattrs(NodeId node);
  Result<std::vector<Slice>> read(NodeId file, uint64_t offset, uint64_t size);
  // The same without waiting (body_reader.h).
  void read(NodeId file, uint64_t offset, uint64_t size, BodyReader::Reply reply);
  // Where data, or a hole, begins at or after `offset` (body_holes.h); none: nowhere. As read().
  using SeekReply = std::function<void(Result<std::optional<uint64_t>>)>;
  void seek(NodeId file, uint64_t offset, bool hole, SeekReply reply);
  // Brings the range here, behind all demand reads (BodyReader::warm).
  Status warm(NodeId file, uint64_t offset, uint64_t size, const std::stop_token& stop,
              std::vector<Slice>* slices = nullptr);

  // Of anything but a tree's root: the folder in which it was first looked up or listed, and its name
  // there. Of a file that several trees share, that is in one of them.
  std::optional<NodeId> folder_of(NodeId node) const;
  std::optional<std::string> name_of(NodeId node) const;
  // Likewise, from the root of that tree, without a leading slash.
  std::optional<std::string> path_of(NodeId node) const;
  // The tree's root that a folder is below, and its path from there.
  struct Place {
    NodeId root = 0;
    std::string path;
  };
  std::optional<Place> place_of(NodeId folder) const;
  struct FoundFile {
    NodeId node = 0;
    uint64_t size = 0;
  };
  // The regular file at that path below `root`; no link is followed.
  std::optional<FoundFile> find_file(NodeId root, std::string_view path);

  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  using Entry = PackedDirectory::Entry;

  Status load(const tree::Manifest& manifest, Deadline deadline);
  Status load_pack(const Digest& pack, Deadline deadline);
  Status room_for(const std::vector<tree::Object>& objects) const;
  void add_objects(std::vector<tree::Object> objects);
  DirectoryNumber add_holder(const tree::Manifest& manifest);
  Result<Prepared> add_tree(const tree::Manifest& manifest, std::string_view encoded,
                            NodeState::Keep keep);
  std::optional<Digest> add_delta(const Digest& base, const Digest& tree);
  bool is_another_root(const Digest& tree, tree::Entry root) const;
  void use_base(const tree::Lineage& lineage, const Digest& tree);
  void remember_tree(const tree::Manifest& manifest, const Prepared& prepared);
  static bool is_watched(const tree::Manifest& manifest);
  void recover_layers(const tree::Manifest& manifest);
  Status recover_pack(const NodeState::Event& event);
  Status recover_tree(const NodeState::Event& event);
  Status recover_nodes();
  Result<const PackedDirectory*> contents(NodeId folder);
  Result<NodeId> intern(NodeId folder, DirectoryNumber directory, uint32_t index);
  Entry entry_of(const Node& node) const;
  Result<Entry> find_entry(NodeId node) const;
  struct Content {
    tree::Body body;
    uint64_t size = 0;
  };
  Result<Content> content(NodeId file) const;

  ObjectStore& store_;
  const Limits limits_;
  BodyReader bodies_;

  std::timed_mutex preparing_;  // one prepare at a time; guards loaded_packs_
  std::set<Digest> loaded_packs_;

  mutable std::mutex mutex_;  // guards all below
  NodeState& state_;
  DirectoryTable directories_;
  NodeTable nodes_;
  std::unordered_map<Digest, Prepared> trees_;
  std::vector<Digest> tree_order_;         // without deltas and watched ones
  std::map<std::string, Digest> watched_;  // by its manifest's volume
  std::map<Digest, std::vector<Digest>> layers_;
  // By the lineage of a volume: trees that are shown whole, the one that served last first.
  std::map<tree::Lineage, std::vector<Digest>> bases_;
  uint64_t deltas_ = 0;
};

}  // namespace devrun::volume
