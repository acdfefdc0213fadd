// No node runs more than it has: by the containers that really live there, whatever any ledger says. Each GPU is one
// container's.
#include <set>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Room final : public Check {
 public:
  void began(World& world, const Node& node, const AttemptSpec& spec) override {
    Resources used = spec.resources;
    std::set<uint32_t> gpus(spec.gpus.begin(), spec.gpus.end());
    std::string with;
    for (const auto& [key, one] : world.living) {
      if (one.node != node.name()) continue;
      with += " " + folder_name(key);
      used.cpu_milli += one.spec.resources.cpu_milli;
      used.memory_bytes += one.spec.resources.memory_bytes;
      for (const uint32_t gpu : one.spec.gpus) {
        if (!gpus.insert(gpu).second) {
          world.fail("room", fmt::format("GPU {} of {} is {}'s and {}'s", gpu, node.name(),
                                         folder_name(spec.key), folder_name(key)));
        }
      }
    }
    const Resources& total = node.hello.total;
    if (used.cpu_milli > total.cpu_milli || used.memory_bytes > total.memory_bytes) {
      world.fail("room", fmt::format("{} has no room for {} beside{}", node.name(),
                                     folder_name(spec.key), with));
    }
    if (spec.gpus.size() != static_cast<size_t>(spec.resources.gpus)) {
      world.fail("room", folder_name(spec.key) + " has not the GPUs that it asked for");
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_room() {
  return std::make_unique<Room>();
}

}  // namespace devrun::sim
