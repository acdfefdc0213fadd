// What in an attempt's upper is the sandbox's doing and not the job's. Paths are as the job sees them, "/etc/hosts". Pure.
#pragma once

#include <string>
#include <string_view>

namespace devrun::sandbox {

// `folder` itself or below it; nothing is below "" or "/".
bool is_below(std::string_view path, std::string_view folder);

// The places over which the sandbox mounts, so that nothing that lies there is the job's.
bool is_the_sandboxs(std::string_view path);

// A folder that crun had to make for them, /var for /var/tmp say: no write unless something else is in it.
bool leads_to_the_sandboxs(std::string_view path);

// What `devrun launch` makes for the task in the caller's home, unless the job made something of it: a link, or a folder
// without anything.
bool is_the_task_folder(std::string_view path, std::string_view home);

}  // namespace devrun::sandbox
