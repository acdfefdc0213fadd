// What a node is: what its flags say, and what the kernel says where they are silent.
#pragma once

#include "agent/sync/flags.h"
#include "common/base/result.h"
#include "common/model/node.h"

namespace devrun::agent {

Result<NodeHello> hello_of(const Flags& flags);

// What the node has of GPUs, in place of what it had.
void set_gpus(NodeHello& hello, std::vector<Gpu> gpus, std::string driver);

}  // namespace devrun::agent
