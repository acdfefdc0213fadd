// The client's configuration file, YAML:
//   controller: HOST:PORT
//   ca: ca.pem          paths are relative to the file's folder
//   cert: user.pem
//   key: user.key
//   volume: ada         the default for --volume
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun::cli {

struct Config {
  std::string controller;
  std::string ca_path;
  std::string cert_path;
  std::string key_path;
  std::string volume;
};

// `path` is for the errors and for relative paths.
Result<Config> parse_config(std::string_view text, const std::string& path);

}  // namespace devrun::cli
