// Whether a folder can hold a store: what bringing results home stands on (controller/storage/home_writer.h) is files that have no
// name before they are whole, and an exchange of two names, which network file systems have not; and what is in memory is no
// place to keep anything.
#pragma once

#include <string>

#include "common/base/result.h"

namespace devrun {

// Tries it, with files that go again. kUnsupported with what is missing.
Status try_store_place(const std::string& folder);

// Also of a folder that is not there yet: then by the kind of file system that the nearest folder above it is on. Where the
// caller may not write nothing is tried.
Status check_store_place(const std::string& folder);

}  // namespace devrun
