// The driver for stores on btrfs (see driver.h).
#pragma once

#include <memory>
#include <string>

#include "controller/storage/driver.h"

namespace devrun::storage {

// If `folder` is the root of a file system, that is taken for the store's own, and its dirty data is
// bounded from now on: a snapshot waits until what is dirty is written.
std::unique_ptr<Driver> make_btrfs_driver(const std::string& folder);

}  // namespace devrun::storage
