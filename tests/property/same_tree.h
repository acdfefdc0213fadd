// Compares a folder of this machine with what devrun-fs's file system shows of a snapshot.
#pragma once

#include <string>

#include "agent/volume/vfs.h"

namespace devrun::property {

// Fails the test at every entry that differs in anything: names, kind, mode, owner, times, size,
// device, inode, number of names, link target, xattrs, bytes. Returns how many entries there are.
size_t expect_same(volume::Vfs& vfs, volume::NodeId root, const std::string& folder);

}  // namespace devrun::property
