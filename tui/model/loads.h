// What nodes and jobs use now, from the samples that are pushed. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tui/model/model.h"

namespace devrun::tui {

inline constexpr uint32_t kIdleGpuMarkedAfterS = 60;
inline constexpr Duration kNodeToldEvery = seconds(2);  // a point of a node's history
inline constexpr Duration kToldIsOldAfter = seconds(15);

void take_loads(Model& model, const std::vector<NodeSample>& loads);
void take_node_series(Model& model, const NodeSeriesFetched& fetched);
// Of what is gone nothing is used.
void forget_loads(Model& model);
// Jobs of nodes that have fallen silent, or speak again, use what is known of them now.
void look_for_silence(Model& model);
// Since when the node has not told what it uses, though it once did, or when it was last heard of if it is away; nothing:
// it goes on telling.
std::optional<Time> silent_since(const Model& model, const std::string& node);
// The earliest of the nodes on which the job lives.
std::optional<Time> silent_since(const Model& model, const JobRow& job);
// It lives, as far as is known, and nobody knows what it uses.
bool is_on_silent_node(const Model& model, const AttemptRow& attempt);
// The history of a node, and the gap that it has at its end if it is silent.
std::vector<uint8_t> upto_now(const Model& model, const std::string& node,
                              std::vector<uint8_t> history);
// As parts of a hundred of `whole`, of the most that there is if that is more; a gap where a point has nothing, and
// `gap` of them at the end.
std::vector<uint8_t> in_percent(const std::vector<Load>& points, uint32_t Load::*value,
                                uint32_t whole, size_t gap);
// Its GPUs have done nothing for so long that somebody should know.
bool is_idle(const JobLoad& load);

}  // namespace devrun::tui
