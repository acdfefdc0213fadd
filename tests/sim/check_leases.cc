// A lease ends a container only where the controller was silent: not on a node that has had its answers.
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

// A report that is not answered for so long is given up (agent/sync/reports.cc), and one is sent every ten seconds.
constexpr Duration kAnswersAreOld = seconds(15 + 10 + 2);

class Leases final : public Check {
 public:
  void lease_ended(World& world, const Node& node, const Folder& folder) override {
    Node& of = *world.nodes.at(node.name());
    const Duration lease = folder.spec.lease;
    if (!of.has_agent() || lease < kAnswersAreOld) return;
    const Time answered = of.agent()->answered();
    if (answered.us != 0 && of.boot() - answered < lease) {
      world.fail("leases", fmt::format("the lease of {} on {} has ended, and the controller "
                                       "answered a call that was sent {} s ago",
                                       folder_name(folder.spec.key), node.name(),
                                       (of.boot() - answered).us / 1'000'000));
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_leases() {
  return std::make_unique<Leases>();
}

}  // namespace devrun::sim
