// No node runs more than it has: by the containers that really live there, whatever any ledger says. Each GPU is one
// container's, or several have shares of it that are no more than it.
#include <map>
#include <utility>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Room final : public Check {
 public:
  void began(World& world, const Node& node, const AttemptSpec& spec) override {
    Resources used = spec.resources;
    std::map<uint32_t, int32_t> gpus;  // how much of each is given, in thousandths
    const auto part = [](const AttemptSpec& of) {
      return of.resources.gpu_milli == 0 ? 1000 : of.resources.gpu_milli;
    };
    for (const uint32_t gpu : spec.gpus) gpus[gpu] += part(spec);
    std::string with;
    for (const auto& [key, one] : world.living) {
      if (one.node != node.name()) continue;
      with += " " + folder_name(key);
      used.cpu_milli += one.spec.resources.cpu_milli;
      used.memory_bytes += one.spec.resources.memory_bytes;
      for (const uint32_t gpu : one.spec.gpus) {
        const int32_t before = std::exchange(gpus[gpu], gpus[gpu] + part(one.spec));
        if (before != 0 && before + part(one.spec) > 1000) {
          world.fail("room", fmt::format("GPU {} of {} is {}'s and {}'s", gpu, node.name(),
                                         folder_name(spec.key), folder_name(key)));
        }
      }
    }
    if (spec.gpus.size() != static_cast<size_t>(spec.resources.gpus)) {
      world.fail("room", folder_name(spec.key) + " has not the GPUs that it asked for");
    }
    // On the storage host limits are ceilings of dev containers, for which nothing is kept (fits.h).
    if (node.hello.dev_containers) return;
    const Resources& total = node.hello.total;
    if (used.cpu_milli > total.cpu_milli || used.memory_bytes > total.memory_bytes) {
      world.fail("room", fmt::format("{} has no room for {} beside{}", node.name(),
                                     folder_name(spec.key), with));
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_room() {
  return std::make_unique<Room>();
}

}  // namespace devrun::sim
