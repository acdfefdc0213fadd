// In the end nothing is left: no room taken, nothing kept or half known by the controller, no folder or container on a
// node.
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Leaks final : public Check {
 public:
  void finished(World& world) override {
    const controller::State& state = world.controller.state();
    const auto left = [&](const std::string& what) { world.fail("leaks", what); };
    for (const auto& [name, node] : state.nodes) {
      if (!node.live.empty()) left("something lives on " + name);
      if (node.used != Resources{} || !node.gpus_used.empty()) left("room is taken on " + name);
    }
    for (const auto& [name, presence] : state.presence.nodes) {
      if (!presence.retained.empty()) {
        left(fmt::format("{} retains {}", name, folder_name(*presence.retained.begin())));
      }
      if (!presence.strays.empty()) {
        left(fmt::format("{} has stray {}", name, folder_name(*presence.strays.begin())));
      }
      if (!presence.usage.empty()) left("usage is kept of what has ended on " + name);
    }
    if (!state.presence.deriving.empty()) left("a tree is being made for nobody");
    if (!state.dev_containers.empty()) left("a dev container is known that has ended");
    if (!state.queue.empty()) left("something is queued that has ended");
    if (!world.living.empty()) left(folder_name(world.living.begin()->first) + " still runs");
    for (const auto& [id, job] : state.jobs) {
      if (job.running_tasks != 0 || job.open_tasks != 0)
        left(fmt::format("job {} counts wrongly", id));
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_leaks() {
  return std::make_unique<Leaks>();
}

}  // namespace devrun::sim
