// Where things lie in the store's export: the only place that spells these names, for the
// controller that writes them and for the nodes that read them over NFS. All relative to the
// export's root.
#pragma once

#include <string>

#include "common/base/digest.h"
#include "common/tree/tree.h"

namespace devrun::tree {

std::string manifest_path(const Digest& tree);  // trees/ab/<hex>
std::string pack_path(const Digest& pack);      // packs/ab/<hex>
std::string body_path(
    const Body& body);  // content/ab/<hex>, content/p/<hex>; not for inline bodies
std::string chunk_list_path(const Body& body);  // content/ab/<hex>.chunks
// traces/<volume>/<hex>; not fanned out: a volume has a few hundred at most.
std::string trace_path(const std::string& volume, const std::string& hex);

}  // namespace devrun::tree
