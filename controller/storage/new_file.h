// Files made as a tree has them, whole before they have a name. Any thread.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"
#include "controller/storage/tree_writer.h"

namespace devrun::storage {

struct NewFile {
  int folder;               // on whose file system it is made
  const std::string& path;  // for people
  const tree::Entry& wanted;
};

// A regular file with content and attributes, gone when it is closed. `syncs`: its content is on disk, too.
// kUnsupported: this file system cannot hold it (attributes that are too large, say).
Result<UniqueFd> make_unnamed_file(const NewFile& file, Contents& contents, bool syncs);
// 0, or -1 with errno: EEXIST is for the caller to judge. `folder` may be AT_FDCWD.
int link_unnamed(int file, int folder, const std::string& name);
// A symbolic link, fifo, socket or device under that name in the folder; kUnsupported as above.
Status make_special_file(const NewFile& file, const std::string& name);

}  // namespace devrun::storage
