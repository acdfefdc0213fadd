// Ports on the loopback address.
#pragma once

#include <cstdint>

#include "common/base/result.h"

namespace devrun::cluster {

bool port_is_free(uint16_t port);
bool port_accepts(uint16_t port);

// `wanted` if it is free, else any free one.
Result<uint16_t> free_port(uint16_t wanted);

}  // namespace devrun::cluster
