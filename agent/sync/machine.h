// What a node is: what its flags say, and what the kernel says where they are silent.
#pragma once

#include "agent/sync/flags.h"
#include "common/base/result.h"
#include "common/model/node.h"

namespace devrun::agent {

Result<NodeHello> hello_of(const Flags& flags, const std::vector<Gpu>& gpus);

}  // namespace devrun::agent
