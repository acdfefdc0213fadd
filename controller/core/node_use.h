// What of a node is in use, kept in step with what lives there. A GPU of which several have shares is in use once. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/core/ledger.h"

namespace devrun::controller {

void add_use(Node& node, const Resources& need, const std::vector<uint32_t>& gpus);
// Whether that GPU, or what it was before it was cut into slices or made whole again, is in use.
bool is_held(const Node& node, const Gpu& gpu);
void drop_use(Node& node, const Resources& need, const std::vector<uint32_t>& gpus);

}  // namespace devrun::controller
