// The file system that we are called in, where it is a volume's live tree: what was written here is to be in a snapshot that
// is asked for from here, and to be there for whoever is asked from here to change that tree or to compare with it.
#pragma once

#include <string>

#include "common/base/result.h"

namespace devrun::cli {

// Where `root` is a network mount, as in dev containers on nodes: sends what the kernel has not yet written there. Nothing to
// do elsewhere. Blocking; any thread.
Status send_what_is_written(const std::string& root = "/");

}  // namespace devrun::cli
