// What programs ask of trees that were made to be watched (Vfs::watched_tree): which names they look
// for, found or not, and which folders they list (common/tree/reads.h).
//
// The kernel asks each question about a folder once and remembers the answer. So a watched tree has
// folders of its own, of which the kernel knows nothing when it is first shown: whatever any process
// can find out of it passes here once. Files are shared with other trees, and so are their pages.
//
// What was noted is in memory alone: a devrun-fs that was restarted says that it does not know, and
// nothing is concluded from that run. Any thread; each call is short.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/volume/vfs.h"
#include "common/tree/reads.h"

namespace devrun::volume {

class Watches {
 public:
  static constexpr size_t kWatchesMax = 64;  // beyond, the oldest is forgotten

  explicit Watches(const Vfs& vfs) : vfs_(vfs) {}

  // `id` is the watcher's. One that is known goes on.
  void begin(const std::string& id, NodeId root);
  // What was asked, encode_reads, and no more is noted; none: no such watch, or more than kReadNamesMax.
  std::optional<std::string> take(const std::string& id);

  // Before the kernel has the answer.
  void looked_up(NodeId folder, std::string_view name);
  // Whether it is watched: then the kernel must not learn its names from the listing.
  bool listed(NodeId folder);

 private:
  struct Watch {
    NodeId root = 0;
    uint64_t number = 0;
    size_t names = 0;
    bool overflown = false;
    tree::Reads reads;
  };
  struct Place {
    Watch* watch = nullptr;  // null: of a tree that nobody watches
    tree::Reads::Folder* folder = nullptr;
  };

  Place place_of(NodeId folder);  // under mutex_
  void forget(const std::string& id);

  const Vfs& vfs_;
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, Watch> watches_;
  std::unordered_map<NodeId, Place> places_;  // bounded by the folders of this node
  uint64_t begun_ = 0;
};

}  // namespace devrun::volume
