// What nodes and jobs use now, from the samples that are pushed. Pure.
#pragma once

#include "tui/model/model.h"

namespace devrun::tui {

inline constexpr uint32_t kIdleGpuMarkedAfterS = 60;

void take_loads(Model& model, const std::vector<NodeSample>& loads);
void take_node_series(Model& model, const NodeSeriesFetched& fetched);
// Of what is gone nothing is used.
void forget_loads(Model& model);
// Its GPUs have done nothing for so long that somebody should know.
bool is_idle(const JobLoad& load);

}  // namespace devrun::tui
