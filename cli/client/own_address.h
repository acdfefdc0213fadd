// Where others reach this machine.
#pragma once

#include <string>

namespace devrun::cli {

// The IPv4 address of ours that packets to `peer` ("ipv4:10.0.0.1:7444", as gRPC writes it) carry; empty if that cannot be
// told. Sends nothing.
std::string own_address_towards(const std::string& peer);

}  // namespace devrun::cli
