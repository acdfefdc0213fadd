// What the process was called with, taken once in main and passed on, so that nothing below reads
// getenv.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace devrun::cli {

struct Surroundings {
  std::vector<std::string> environment;       // NAME=VALUE
  std::string socket = "/run/devrun/socket";  // the identity inside dev containers and jobs
  std::string admin_config = "/var/lib/devrun/config.yaml";  // what `devrun up` writes

  // The value, if the variable is set and not empty.
  std::optional<std::string> variable(std::string_view name) const {
    for (const std::string& entry : environment) {
      const bool same =
          entry.size() > name.size() + 1 && entry.starts_with(name) && entry[name.size()] == '=';
      if (same) return entry.substr(name.size() + 1);
    }
    return std::nullopt;
  }

  // Whether this is a dev container or a job, which has neither a cluster nor keys of its own.
  bool is_in_container() const {
    std::error_code failed;
    return !socket.empty() && std::filesystem::exists(socket, failed);
  }
};

}  // namespace devrun::cli
