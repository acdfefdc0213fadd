// What an attempt wrote: the upper layer of its overlay, read as overlayfs writes it (whiteouts, opaque folders, redirects),
// against the tree below.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::sandbox {

struct WrittenInput {
  std::string upper;
  std::string lower;                    // empty or gone: everything counts as added
  std::string cwd;                      // listed first
  std::string home;                     // then this
  std::vector<std::string> bound = {};  // places over which folders from elsewhere were mounted
};

// Folders that were only copied up, and what is the sandbox's own (own_places.h), are no writes. Fills all
// but `node` and `folder`.
Result<WrittenSummary> scan_written(const WrittenInput& input);

}  // namespace devrun::sandbox
