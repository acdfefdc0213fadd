// Giving an object the owner, mode, extended attributes and times of an entry.
#pragma once

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::storage {

// `object` is a descriptor of it, O_PATH will do; no name is looked up, so that nobody can put
// another object in its place. Attributes that the entry does not have are removed, but for those
// of the file system itself (btrfs.*).
Status set_attributes(int object, const tree::Entry& entry);

}  // namespace devrun::storage
