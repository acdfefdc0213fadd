// No more tasks of an array at once than it allows, by what really runs.
#include <set>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Array final : public Check {
 public:
  void began(World& world, const Node&, const AttemptSpec& spec) override {
    const controller::Job* job = controller::find_job(world.shadow, spec.key.job);
    if (job == nullptr || job->spec.array.empty() || job->spec.array_running_max == 0) return;
    std::set<int32_t> tasks{spec.key.task};
    for (const auto& [key, one] : world.living) {
      if (key.job == spec.key.job && world.disowned.count(key) == 0) tasks.insert(key.task);
    }
    if (tasks.size() > job->spec.array_running_max) {
      world.fail("array", fmt::format("{} tasks of job {} run, {} may", tasks.size(), job->id,
                                      job->spec.array_running_max));
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_array() {
  return std::make_unique<Array>();
}

}  // namespace devrun::sim
