// The driver for stores on any POSIX file system (see driver.h). Nothing is frozen: the live tree,
// a plain folder, is read while it changes. What that takes is in live_file.h (each file is one
// instant), scan_folder.h (each listing is one) and volume.h (durable before acknowledged).
//
// What it cannot promise: files are not of the same instant as each other, and a file that is moved
// from a folder that is read later to one that was read before may be in neither.
#pragma once

#include <memory>

#include "controller/storage/driver.h"

namespace devrun::storage {

std::unique_ptr<Driver> make_scan_driver();

}  // namespace devrun::storage
