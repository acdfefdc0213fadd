// No node forgets an attempt before all its output is durable at the controller, unless the controller has been told that
// no more will come.
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
};

}  // namespace

std::unique_ptr<Check> check_output() {
  return std::make_unique<Output>();
}

}  // namespace devrun::sim
