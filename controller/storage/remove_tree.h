// Deleting a folder with all that users put below it.
#pragma once

#include <string>

#include "common/base/result.h"

namespace devrun::storage {

// Deletes `name` in the folder `parent`, whatever it is; what is not there is no error. Never
// follows a link, needs two descriptors however deep the tree is (folders that are not empty are
// moved up first), and can be repeated after a crash. Fails at a mount point.
Status remove_tree(int parent, const std::string& name);

}  // namespace devrun::storage
