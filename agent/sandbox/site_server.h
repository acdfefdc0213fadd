// Of a folder of the site whose file system gives no mount other ids: a FUSE mount, and beside the container a process that
// has become the user and serves the folder (agent/site/folder_server.h). It lives as long as the mount, whatever becomes
// of the agent.
#pragma once

#include <string>

#include "agent/sandbox/sandboxes.h"
#include "common/base/result.h"
#include "common/model/job.h"
#include "common/model/site_identity.h"

namespace devrun::sandbox {

// Mounts it at `place`, an empty folder, and starts the process, whose words go to `log`. kUnsupported where this node's
// agent knows no devrun-fs.
Status serve_site_mount(const Options& options, const SiteMount& mount, const SiteIdentity& who,
                        const Caller& inside, const std::string& place, const std::string& log);

}  // namespace devrun::sandbox
