// What the command line gives beside the file: `--env`, `--secret`, `--env-file` and friends, as typed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/launch/diagnostic.h"
#include "common/base/time.h"

namespace devrun::launch {

struct Overrides {
  // Each `K=V`, or `K` to take it from the caller's environment.
  std::vector<std::string> envs = {};
  std::vector<std::string> secrets = {};
  std::optional<std::string> env_file_text = {};
  std::string env_file_name = "the --env-file";  // for diagnostics
  std::string name = {};                         // empty: the file's
  std::optional<int64_t> nodes = {};
  std::string gpus = {};  // `H100:8`; empty: the file's
  std::optional<int64_t> cpu_milli = {};
  std::optional<int64_t> memory_bytes = {};
  Duration time_limit = {};  // of each task; 0: none
  std::function<std::optional<std::string>(const std::string& name)> caller_environment = {};
};

// The values given, by name; a later one wins, and the command line over the file.
struct GivenValues {
  std::vector<std::pair<std::string, std::string>> envs;  // in the order first given
  std::map<std::string, std::string> secrets;
};
// No diagnostic holds a value.
GivenValues read_given(const Overrides& overrides, std::vector<Diagnostic>& diagnostics);

// The lines of an env file: `K=V`, `export K=V`, `K` (from the caller's environment), quotes as in a
// shell, # comments. Nothing is expanded.
std::vector<std::pair<std::string, std::optional<std::string>>> parse_env_file(
    const std::string& text, const std::string& name, std::vector<Diagnostic>& diagnostics);

}  // namespace devrun::launch
