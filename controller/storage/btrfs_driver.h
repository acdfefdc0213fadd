// The driver for stores on btrfs (see driver.h).
#pragma once

#include <memory>

#include "controller/storage/driver.h"

namespace devrun::storage {

std::unique_ptr<Driver> make_btrfs_driver();

}  // namespace devrun::storage
