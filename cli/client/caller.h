// What a job takes over from its caller: directory, ids, groups, umask, environment. Names and home
// directories are read from /etc/passwd by hand, since a static program has no name service.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::cli {

struct PasswdEntry {
  std::string user;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string home;
  std::string shell;
};

// The entry of `uid`, or of that name, in the text of a passwd file.
std::optional<PasswdEntry> find_passwd_entry(std::string_view passwd, uint32_t uid);
std::optional<PasswdEntry> find_passwd_entry(std::string_view passwd, std::string_view user);

Result<Caller> capture_caller();
Result<std::string> current_folder();
// `path` from here, without ".", ".." and doubled slashes, by its text alone.
Result<std::string> absolute_path(const std::string& path);

// False for the variables that stay behind: those of the terminal multiplexer, the desktop, the
// connection and other launchers, which would lie on another node, and devrun's own, which the job
// gets anew.
bool is_inherited(std::string_view name);

// NAME=VALUE each ended by NUL: the inherited part of `environment`, then `settings` in order:
// `NAME=VALUE`, or `NAME` to take a variable over as it is here, whatever is_inherited says.
// kInvalid for a setting that cannot be.
Result<std::string> environment_block(const std::vector<std::string>& environment,
                                      const std::vector<std::string>& settings);

}  // namespace devrun::cli
