#include "cli/client/target.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "cli/client/config.h"
#include "common/base/parse_number.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr size_t kConfigBytesMax = 1 << 20;
constexpr std::string_view kUnixPrefix = "unix:";

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

// The configuration file's path; empty if there is none and none was named.
Result<std::string> config_path(const Surroundings& surroundings) {
  if (const auto named = surroundings.variable("DEVRUN_CONFIG")) {
    if (exists(*named)) return *named;
    return Error{Code::kNotFound,
                 fmt::format("$DEVRUN_CONFIG names {}, which is not there", *named),
                 "unset DEVRUN_CONFIG"};
  }
  if (const auto home = surroundings.variable("HOME")) {
    const std::string own = *home + "/.config/devrun/config.yaml";
    if (exists(own)) return own;
  }
  if (exists(surroundings.admin_config)) return surroundings.admin_config;
  return std::string{};
}

Result<Config> load_config(const Surroundings& surroundings) {
  const std::string path = TRY(config_path(surroundings));
  if (path.empty()) return Config{};
  return parse_config(TRY(read_file(path, kConfigBytesMax)), path);
}

Result<std::string> read_pem(const std::string& path, std::string_view key) {
  if (path.empty()) {
    return Error{Code::kInvalid,
                 fmt::format("the configuration does not say `{}`, the path of a PEM file", key),
                 "devrun up, which writes a configuration"};
  }
  return read_file(path, kConfigBytesMax);
}

Target socket_target(const std::string& path) {
  Target out;
  out.address = "unix:" + path;
  out.shown = path;
  out.through_socket = true;
  return out;
}

Result<Target> tls_target(const std::string& host_and_port, const Config& config) {
  Target out;
  out.address = TRY(grpc_address(host_and_port));
  out.shown = host_and_port;
  out.ca = TRY(read_pem(config.ca_path, "ca"));
  out.certificate = TRY(read_pem(config.cert_path, "cert"));
  out.key = TRY(read_pem(config.key_path, "key"));
  return out;
}

Result<Target> find_controller(const Surroundings& surroundings) {
  const auto named = surroundings.variable("DEVRUN_CONTROLLER");
  if (named && named->starts_with(kUnixPrefix)) {
    return socket_target(named->substr(kUnixPrefix.size()));
  }
  if (!named && exists(surroundings.socket)) return socket_target(surroundings.socket);
  const Config config = TRY(load_config(surroundings));
  const std::string controller = named ? *named : config.controller;
  if (controller.empty()) {
    return Error{Code::kNotFound,
                 "no controller is known: neither $DEVRUN_CONTROLLER, nor /run/devrun/socket, nor "
                 "`controller:` in the file that $DEVRUN_CONFIG names or in "
                 "~/.config/devrun/config.yaml",
                 "devrun login HOST:7444 TOKEN, as an administrator's `devrun user add` prints it; "
                 "for a cluster on this machine: devrun up; of one elsewhere: export "
                 "DEVRUN_CONFIG=DIR/config.yaml"};
  }
  Target out = TRY(tls_target(controller, config));
  out.volume = config.volume;
  return out;
}

}  // namespace

Result<std::string> grpc_address(const std::string& host_and_port) {
  const size_t colon = host_and_port.rfind(':');
  const Error bad{Code::kInvalid,
                  fmt::format("'{}' is not a controller's address: expected HOST:PORT or unix:PATH",
                              host_and_port),
                  "HOST:PORT, such as 10.0.0.1:7443"};
  if (colon == std::string::npos || colon == 0) return bad;
  std::string host = host_and_port.substr(0, colon);
  const std::string port = host_and_port.substr(colon + 1);
  if (parse_number<uint16_t>(port).value_or(0) == 0) return bad;
  if (host == "localhost") host = "127.0.0.1";
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return fmt::format("ipv4:{}:{}", host, port);
  if (host.front() == '[') return fmt::format("ipv6:{}:{}", host, port);
  if (host.find(':') != std::string::npos) return bad;
  return fmt::format("dns:///{}:{}", host, port);
}

Result<Target> find_target(const Surroundings& surroundings) {
  Target out = TRY(find_controller(surroundings));
  if (const auto volume = surroundings.variable("DEVRUN_VOLUME")) out.volume = *volume;
  return out;
}

}  // namespace devrun::cli
