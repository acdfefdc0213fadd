// rm -rf for folders in which programs of others have written, and next to which a volume may be mounted: it follows no
// link, and does not enter another mount, bind mounts of the same file system included: that is an Error.
#pragma once

#include <string>

#include "common/base/result.h"

namespace devrun::sandbox {

Status remove_tree(const std::string& path);  // fine if it is not there
bool is_mount_point(const std::string& path);

}  // namespace devrun::sandbox
