// What `devrun volume` and `devrun snapshot` share.
#pragma once

#include <string>

#include "cli/client/volumes.h"
#include "cli/commands/arguments.h"

namespace devrun::cli {

// Refuses options that belong to other verbs: the meaning of an option that is not for all begins
// with its verbs, "create, ls: …".
Status only_for(const Arguments& arguments, std::string_view verb);

// "V", "V@S" or "@S".
Result<SnapshotName> parse_snapshot_name(const std::string& text);

}  // namespace devrun::cli
