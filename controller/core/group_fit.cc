#include "controller/core/group_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/model/fits.h"
#include "common/model/resources.h"
#include "controller/core/group.h"
#include "controller/core/shortage.h"

namespace devrun::controller {

namespace {

constexpr int32_t kWhole = 1000;  // of a GPU, in thousandths

// What of a node the group has not taken.
struct Left {
  const Room* room;
  const NodeKind* kind;
  Resources amount;           // GPUs aside
  std::vector<int32_t> gpus;  // of each, by position
};

std::vector<Left> empty_nodes(const State& state) {
  const Rooms& rooms = state.schedule.rooms();
  std::vector<Left> out;
  for (NodeId id = 0; id < rooms.size(); ++id) {
    const Room& room = rooms.at(id);
    if (state.nodes.at(room.name).lost) continue;
    const NodeKind& kind = rooms.kind(room.kind);
    out.push_back({&room, &kind, room.total, std::vector<int32_t>(kind.gpus.size(), kWhole)});
  }
  return out;
}

void take_placed(std::vector<Left>& nodes, const Job& job, const Task& task) {
  for (const Rank& rank : task.ranks) {
    const auto at =
        std::ranges::find_if(nodes, [&](const Left& one) { return one.room->name == rank.node; });
    if (at == nodes.end() || rank.ending) continue;
    const Resources need = taken_by(job.spec);
    take(at->amount, need);
    for (size_t i = 0; i < at->gpus.size(); ++i) {
      if (std::ranges::count(rank.gpus, at->kind->gpus[i].index) == 0) continue;
      at->gpus[i] -= need.gpu_milli != 0 ? need.gpu_milli : kWhole;
    }
  }
}

// By position: those that the rank would get; fewer than it needs if there are not so many.
std::vector<size_t> gpus_for(const Left& node, const Resources& need, const Match& match) {
  std::vector<size_t> out;
  const int32_t of_each = need.gpu_milli != 0 ? need.gpu_milli : kWhole;
  for (size_t i = 0; i < std::min(node.gpus.size(), kGpusPerNodeMax); ++i) {
    if (out.size() == static_cast<size_t>(need.gpus)) break;
    if (match.gpus.test(i) && node.gpus[i] >= of_each) out.push_back(i);
  }
  return out;
}

bool put(std::vector<Left>& nodes, const JobSpec& spec) {
  const Shape shape = shape_of(spec);
  std::vector<std::pair<Left*, std::vector<size_t>>> found;
  for (Left& node : nodes) {
    const Match of = match(shape, *node.kind);
    if (!of.may_run || !covers_but_gpus(node.amount, shape.need)) continue;
    std::vector<size_t> gpus = gpus_for(node, shape.need, of);
    if (gpus.size() == static_cast<size_t>(shape.need.gpus)) {
      found.emplace_back(&node, std::move(gpus));
    }
  }
  if (found.size() < shape.nodes) return false;
  const auto left = [](const Left& node) {
    const auto whole = std::ranges::count(node.gpus, kWhole);
    return std::tuple(whole, node.amount.cpu_milli);
  };
  std::ranges::stable_sort(
      found, [&](const auto& a, const auto& b) { return left(*a.first) < left(*b.first); });
  found.resize(shape.nodes);
  for (const auto& [node, gpus] : found) {
    take(node->amount, shape.need);
    for (const size_t i : gpus) {
      node->gpus[i] -= shape.need.gpu_milli != 0 ? shape.need.gpu_milli : kWhole;
    }
  }
  return true;
}

bool is_larger(const Job* a, const Job* b) {
  const auto size = [](const Job& job) {
    const Resources& need = job.spec.per_node;
    return std::tuple(gpus_held(need), need.cpu_milli, need.memory_bytes, job.spec.nodes);
  };
  return size(*a) > size(*b);
}

}  // namespace

std::string beside_itself(const State& state, const Job& job) {
  const Group& group = job.spec.group;
  const auto members = state.groups.find(group_leader(job.spec, job.id));
  if (group.size == 0 || members == state.groups.end() || members->second.size() < group.size) {
    return {};
  }
  std::vector<Left> nodes = empty_nodes(state);
  std::vector<const Job*> unplaced;
  for (const JobId id : members->second) {
    const Job* member = find_job(state, id);
    const Task* task = find_task(state, {id, kNoTask});
    if (member == nullptr || task == nullptr || member->outcome) return {};  // it is being ended
    if (is_placed(*task)) {
      take_placed(nodes, *member, *task);
    } else {
      unplaced.push_back(member);
    }
  }
  std::ranges::stable_sort(unplaced, is_larger);
  for (const Job* member : unplaced) {
    if (put(nodes, member->spec)) continue;
    const uint32_t n = member->spec.nodes;
    return fmt::format(
        "the group {} does not fit beside itself: where the others of it have what they ask for, "
        "{} (job {}) finds no {} with {}",
        group.name, member->spec.group.task, member->id,
        n == 1 ? "node" : fmt::format("{} nodes", n), say_need(member->spec.per_node));
  }
  return {};
}

}  // namespace devrun::controller
