// Ports on the loopback address.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace devrun::cluster {

bool port_is_free(uint16_t port);
bool port_accepts(uint16_t port);

// `wanted` if it is free, else the next free one in steps of ten, below those that the kernel gives to outgoing
// connections: one of these could be taken for a moment whenever the cluster comes up again.
Result<uint16_t> free_port(uint16_t wanted);

// "process 123 (nginx)": who listens there, or else has bound it; empty if that cannot be seen.
std::string holder_of_port(uint16_t port);

}  // namespace devrun::cluster
