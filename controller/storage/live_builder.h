// From a live tree that is in use to a snapshot's tree, for drivers that freeze nothing. Looks at
// every entry (one stat each), and reads only files whose inode, ctime, mtime and size moved, or
// that were changed within the clock's grain of the known tree.
//
// Each file is of one instant (live_file.h), and so is each folder's list of names: it is read at
// once and read again if one of its names has gone before its file was read. A folder that is moved
// while its parents are read starts the walk anew; files that were read stay read. What is not
// whole after some tries is named in the error.
//
// Between folders there is no common instant: a file that is moved meanwhile from a folder that is
// read later to one that was read before is in neither.
#pragma once

#include "controller/storage/tree_builder.h"

namespace devrun::storage {

// As build_tree, which calls it.
Result<TreeChange> build_live_tree(const BuildRequest& request, const KnownTree& known,
                                   Bodies& bodies, BuildWork* work);

}  // namespace devrun::storage
