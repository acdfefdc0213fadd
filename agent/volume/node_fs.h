// devrun-fs without its command line: the file system of one node over a store, its two mounts and
// its control socket.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/volume/control.h"
#include "agent/volume/disk_cache.h"
#include "agent/volume/fuse_front.h"
#include "agent/volume/guess.h"
#include "agent/volume/object_store.h"
#include "agent/volume/prefetch.h"
#include "agent/volume/runs.h"
#include "agent/volume/vfs.h"
#include "agent/volume/watches.h"

namespace devrun::volume {

class NodeFs {
 public:
  struct Mount {
    UniqueFd fd;
    std::string mounted_at;
  };
  struct Options {
    std::string control_socket;
    std::chrono::milliseconds prepare_time_max{10'000};
    Vfs::Limits limits{};
    bool resend = true;  // as FuseFront's
  };

  // `cache` may be null. `state` is a new one for new mounts, else what their last server left: then
  // all of it is known again before this returns. Errors: as Vfs::recover.
  static Result<std::unique_ptr<NodeFs>> start(std::unique_ptr<ObjectStore> store,
                                               std::unique_ptr<DiskCache> cache,
                                               std::unique_ptr<NodeState> state, Mount plain,
                                               Mount xattr, Options options);
  // The mounts must be gone (wait() has returned).
  ~NodeFs();

  // Until both mounts are gone.
  void wait();

  std::map<std::string, uint64_t> count() const;

 private:
  NodeFs(std::unique_ptr<ObjectStore> store, std::unique_ptr<DiskCache> cache,
         std::unique_ptr<NodeState> state, Options options)
      : options_(std::move(options)),
        store_(std::move(store)),
        cache_(std::move(cache)),
        state_(std::move(state)),
        vfs_(*store_, cache_.get(), options_.limits, *state_),
        watches_(vfs_) {}
  Status recover();
  Result<wire::FsTreePath> prepare(const wire::FsPrepareTree& call);
  Result<wire::FsTreePath> show_watched(const wire::FsPrepareTree& call, FuseFront& front);
  FuseFront::Options front_options(const Mount& mount, bool xattrs);
  bool store(NodeId file, uint64_t offset, const std::vector<Slice>& slices);

  const Options options_;
  const std::unique_ptr<ObjectStore> store_;
  const std::unique_ptr<DiskCache> cache_;
  const std::unique_ptr<NodeState> state_;
  Vfs vfs_;
  Watches watches_;
  std::unique_ptr<FuseFront> plain_;
  std::unique_ptr<FuseFront> xattr_;
  std::unique_ptr<Prefetcher> prefetcher_;  // ends before the fronts that it fills
  std::unique_ptr<Guesser> guesser_;
  std::unique_ptr<Runs> runs_;
  std::unique_ptr<Control> control_;
  std::vector<std::jthread> loops_;
};

}  // namespace devrun::volume
