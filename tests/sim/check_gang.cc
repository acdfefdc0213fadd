// A gang is placed whole or not at all, each rank on a node of its own that may run it; and what runs of it is what was placed.
#include <set>

#include "common/model/fits.h"
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Gang final : public Check {
 public:
  void durable(World& world, std::span<const controller::Event> events) override {
    for (const controller::Event& event : events) {
      const auto* placed = std::get_if<controller::TaskPlaced>(&event.kind);
      if (placed == nullptr) continue;
      const JobSpec& spec = world.shadow.jobs.at(placed->task.job).spec;
      const std::set<std::string> nodes(placed->nodes.begin(), placed->nodes.end());
      if (placed->nodes.size() != spec.nodes || nodes.size() != spec.nodes) {
        world.fail("gang", fmt::format("{} wants {} nodes and gets {}", to_string(placed->task),
                                       spec.nodes, nodes.size()));
      }
      for (const std::string& node : nodes) {
        if (may_run_on(world.nodes.at(node)->hello, spec)) continue;
        world.fail("gang", fmt::format("{} may not run on {}", to_string(placed->task), node));
      }
    }
  }

  void began(World& world, const Node& node, const AttemptSpec& spec) override {
    const controller::Rank* rank = controller::find_rank(world.shadow, spec.key);
    if (rank == nullptr || rank->node != node.name() || rank->gpus != spec.gpus) {
      world.fail("gang", fmt::format("{} runs on {}, where it was not placed",
                                     folder_name(spec.key), node.name()));
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_gang() {
  return std::make_unique<Gang>();
}

}  // namespace devrun::sim
