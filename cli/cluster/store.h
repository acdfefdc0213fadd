// The store: a folder if the cluster's folder is on btrfs or `--driver scan` was given, else a btrfs
// image, mounted only in the storage namespace.
//
// The image is preallocated: a sparse one on a nearly full host gives ENOSPC where `df` shows room,
// and will not mount again. For the same reason it is mounted with `nodiscard`, which keeps freed
// blocks allocated. The loop device does direct I/O (else every page is cached twice) and clears
// itself with its last mount.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "cli/cluster/cluster.h"
#include "cli/cluster/layout.h"
#include "common/base/result.h"

namespace devrun::cluster {

struct Space {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;
};

inline constexpr int64_t kImageBytesMin = 512LL << 20;

// How large the image shall be: what was asked for, or min(20 GB, 60 % of what is free). kExhausted
// if less than 10 % of the file system would be left free, or less than kImageBytesMin is to be
// had.
Result<int64_t> image_size(const Space& space, std::optional<int64_t> asked);

// Whether a store that is made in the folder shall be an image. kInvalid if what was asked for is
// not to be had there: scan on btrfs (which has a better driver) or in memory.
Result<bool> shall_be_image(const std::string& folder, std::optional<StoreDriver> asked);

// Makes store.img and its file system if it is not there yet. Safe to be killed: a half-made image
// has another name.
Status ensure_image(const Layout& layout, std::optional<int64_t> asked_bytes);

// In the namespace: mounts the image (or binds the folder onto itself with nodev) at CLUSTER/store
// unless it is mounted there, and makes CLUSTER/store/export.
Status mount_store(const Layout& layout, bool image, int mount_namespace);

// Runs `action` in a child process that has entered the namespace, and brings its error back.
Status run_in_namespace(int mount_namespace, const std::function<Status()>& action);

}  // namespace devrun::cluster
