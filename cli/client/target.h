// Where the controller is and who we are to it, in this order: $DEVRUN_CONTROLLER (`HOST:PORT` with
// the configured certificates, or `unix:PATH`), the socket that dev containers and jobs have, the
// configuration file ($DEVRUN_CONFIG, ~/.config/devrun/config.yaml, or the one that `devrun up`
// left).
#pragma once

#include <string>

#include "cli/client/surroundings.h"
#include "common/base/result.h"

namespace devrun::cli {

struct Target {
  // As gRPC writes it, `unix:/run/…`, `ipv4:127.0.0.1:7443`: no resolver where none is needed.
  std::string address;
  std::string shown;                 // for people
  bool through_socket = false;       // identity and volume are the socket's
  std::string ca, certificate, key;  // PEM, unless through_socket
  std::string volume;                // by default: $DEVRUN_VOLUME or the file's; empty: none
};

Result<Target> find_target(const Surroundings& surroundings);

// `HOST:PORT` as gRPC wants it; names of this machine and addresses need no resolver.
Result<std::string> grpc_address(const std::string& host_and_port);

}  // namespace devrun::cli
