// The file `asked` in an attempt's folder: what the controller has asked of it so far (core's Asked), one line of
// text, written before it is done. Not synced to disk: it outlives the agent, and the attempt does not outlive the machine.
#pragma once

#include <string>

#include "agent/core/reconcile.h"
#include "common/base/result.h"

namespace devrun::agent {

Status write_asked(const std::string& attempt_folder, const Asked& asked);
// Nothing asked if there is no such file.
Result<Asked> read_asked(const std::string& attempt_folder);

}  // namespace devrun::agent
