// Which nodes there have been: a file for each in STORE/nodes, made before a node is given anything to run, and removed when it
// is declared lost. The journal knows them, too; but one that went back to a backup does not know those that came since, and
// must not begin again what such a node may run (controller/core/restore.h). Any thread; blocking.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::controller {

std::string nodes_folder_beside(const std::string& jobs_path);

// Durable when it returns; a look if it was noted before.
Status note_node(const std::string& folder, const std::string& node);
// Idempotent.
Status forget_node(const std::string& folder, const std::string& node);
// In order; none if there is no such folder.
Result<std::vector<std::string>> noted_nodes(const std::string& folder);

}  // namespace devrun::controller
