// The live trees of volumes as this node can reach them: below its `live_folder`, which may lie in another mount namespace
// (the storage host's, where one machine plays several), or be a network mount of the store's volumes.
#pragma once

#include <string>

#include "agent/sandbox/sandboxes.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::sandbox {

// kUnsupported.
Error no_live_volumes(const Options& options, const std::string& path);

// A mount of that folder of the volume's live tree that is nowhere yet: looked up below the tree's root, so that no link
// leads out. In a thread of its own, which may be in another mount namespace than the rest of us.
Result<UniqueFd> clone_live(const Options& options, const std::string& volume,
                            const std::string& path);

}  // namespace devrun::sandbox
