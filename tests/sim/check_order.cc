// Nothing begins before all that it waits for has succeeded, nor in another tree than the one that was made for it.
#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Order final : public Check {
 public:
  void began(World& world, const Node&, const AttemptSpec& spec) override {
    const controller::Job* job = controller::find_job(world.shadow, spec.key.job);
    if (job == nullptr) return;
    for (const JobId id : controller::dependencies(job->spec)) {
      const controller::Job* before = controller::find_job(world.shadow, id);
      if (before == nullptr || !before->outcome) {
        world.fail("order",
                   fmt::format("{} runs, and job {} has not ended", folder_name(spec.key), id));
      }
    }
    if (controller::has_setup_once(job->spec) && (job->root.is_zero() || !job->setup)) {
      world.fail("order", folder_name(spec.key) + " runs without its setup");
    }
    const auto succeeded = [&](JobId id) {
      return controller::find_job(world.shadow, id)->outcome->state == JobState::kSucceeded;
    };
    if (world.failed()) return;
    for (const JobId id : job->spec.after_fail) {
      if (!succeeded(id)) continue;
      world.fail("order",
                 fmt::format("{} runs, and job {} has not failed", folder_name(spec.key), id));
    }
    for (const JobId id : job->spec.after_ok) {
      if (!succeeded(id)) {
        world.fail("order",
                   fmt::format("{} runs, and job {} has not succeeded", folder_name(spec.key), id));
      }
    }
    const bool derived = !job->spec.after_ok.empty() && !job->spec.root.live;
    if (derived && spec.root.tree == job->spec.root.tree) {
      world.fail("order", folder_name(spec.key) + " runs without what it waited for");
    }
  }
};

}  // namespace

std::unique_ptr<Check> check_order() {
  return std::make_unique<Order>();
}

}  // namespace devrun::sim
