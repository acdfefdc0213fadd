// Files as block devices.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun {

// Sets up a free loop device on an open file, with direct I/O, and says which. The device goes by itself when neither this
// descriptor nor a mount uses it any more.
Result<UniqueFd> attach_loop(int file, std::string& device);

}  // namespace devrun
