// Files with several names that a job has written through one of them. With overlay's index all of
// its names show the new bytes, but only the name that was used is in the upper: the others have to
// follow in the tree that the attempt left. A file that was replaced (by a rename, say) takes only its
// own name with it.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/tree/upper.h"
#include "controller/storage/tree_set.h"

namespace devrun::storage {

// A regular file of the upper that is still the lower file of its path.
struct CopiedUp {
  std::string path;
  tree::Entry entry;  // as it is in the upper
};

// `laid` with the other names of these files. Reads all of `root` if one of them has several names
// there.
Result<tree::Entry> follow_links(TreeSet& trees, const tree::Entry& root, const tree::Entry& laid,
                                 const std::vector<CopiedUp>& copied, const tree::Lineage& volume);

// Puts `entry`, under the last part of `path`, into an upper over `tree`, whose folders on the way
// must be there. False if one is not.
Result<bool> add_to_upper(TreeSet& trees, const tree::Entry& tree, const std::string& path,
                          tree::UpperEntry entry, tree::UpperFolder& upper);

}  // namespace devrun::storage
