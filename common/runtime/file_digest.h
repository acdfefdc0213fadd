// The SHA-256 of a whole file, read in pieces. Blocking; any thread.
#pragma once

#include <string>

#include "common/base/digest.h"
#include "common/base/result.h"

namespace devrun {

Result<Digest> sha256_of_file(const std::string& path);

}  // namespace devrun
