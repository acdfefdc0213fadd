// No node forgets an attempt before all its output is durable at the controller, unless the controller has been told that
// no more will come. What readers are told to be all does not grow, but by a node that was declared lost; and in the end
// no reader waits for more.
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Output final : public Check {
 public:
  void cleaned(World& world, const Node& node, const Folder& folder) override {
    const AttemptKey& key = folder.spec.key;
    const controller::Rank* rank = controller::find_rank(world.shadow, key);
    if (rank == nullptr) {
      world.fail("output", folder_name(key) + " is cleaned, and no journal knows it");
      return;
    }
    if (!rank->ending) {
      world.fail("output", fmt::format("{} cleans {}, which has not ended for the controller",
                                       node.name(), folder_name(key)));
    }
    // What a node lost with its power is unsaid, but not of a job that has left the ledger already.
    const bool archived = world.shadow.jobs.count(key.job) == 0;
    const int64_t owed =
        archived ? std::min(rank->output_bytes, folder.output_bytes) : rank->output_bytes;
    if (world.controller.output_stored(key) < owed) {
      world.fail("output",
                 fmt::format("{} forgets {}: {} of {} bytes are stored", node.name(),
                             folder_name(key), world.controller.output_stored(key), owed));
    }
  }

  void output_came(World& world, const AttemptKey& key) override {
    const controller::State& state = world.controller.state();
    const controller::Rank* rank = controller::find_rank(state, key);
    if (rank == nullptr || !rank->ending || !controller::is_connected(state, rank->node)) return;
    const auto view = controller::view_task(state, key.task_key(), world.controller.wall());
    if (view && view->closed_logs.count({key.attempt, key.rank}) != 0 &&
        world.controller.output_stored(key) < rank->output_bytes) {
      world.fail("output", folder_name(key) + " goes on after readers were told that it was all");
    }
  }

  void finished(World& world) override {
    const controller::State& state = world.controller.state();
    for (const auto& [id, job] : state.jobs) {
      for (const auto& [index, task] : job.tasks) {
        const auto view = controller::view_task(state, {id, index}, world.controller.wall());
        for (uint32_t attempt = 1; attempt <= task.attempt; ++attempt) {
          for (uint32_t rank = 0; rank < job.spec.nodes; ++rank) {
            const AttemptKey key{id, index, rank, attempt};
            const controller::Rank* of = controller::find_rank(state, key);
            if (of == nullptr || !of->ending) continue;
            const auto stored = static_cast<uint64_t>(world.controller.output_stored(key));
            if (controller::is_all_output(*view, attempt, rank, stored)) continue;
            world.fail("output", fmt::format("a reader of {} waits for ever: {} of {} bytes",
                                             folder_name(key), stored, of->output_bytes));
          }
        }
      }
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_output() {
  return std::make_unique<Output>();
}

}  // namespace devrun::sim
