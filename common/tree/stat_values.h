// The values of entries as stat(2) and utimensat(2) have them, and back. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>

#include "common/tree/tree.h"

namespace devrun::tree {

// S_IFREG and its kin; a mount point is a directory.
mode_t type_bits(EntryType type);

// Before 1970 too: nanoseconds of a timespec are never negative.
timespec to_timespec(int64_t ns);
int64_t nanoseconds(const timespec& time);

}  // namespace devrun::tree
