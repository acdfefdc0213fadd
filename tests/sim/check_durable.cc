// Nothing is said or done that a crash could unsay: what users were answered, and what runs on nodes, is in the journal of
// every controller that comes after.
#include <set>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Durable final : public Check {
 public:
  void answered(World&, const controller::Submit&, JobId job) override { jobs_.insert(job); }
  void cancel_answered(World&, JobId job) override { cancelled_.insert(job); }

  void began(World& world, const Node&, const AttemptSpec& spec) override {
    if (controller::find_rank(world.shadow, spec.key) == nullptr) {
      world.fail("durable", folder_name(spec.key) + " runs and is in no journal");
    }
  }

  void restarted(World& world, const controller::State& state) override {
    for (const JobId job : jobs_) {
      if (!world.controller.knows(job)) {
        world.fail("durable", fmt::format("job {} was answered and is gone", job));
      }
    }
    for (const JobId id : cancelled_) {
      const controller::Job* job = controller::find_job(state, id);
      if (job == nullptr || job->outcome || job->closed) continue;
      for (const auto& [index, task] : job->tasks) {
        if (!task.outcome && !task.stop && !task.is_last) {
          world.fail("durable",
                     fmt::format("{} was cancelled and is not", to_string(TaskKey{id, index})));
        }
      }
    }
    for (const auto& [key, one] : world.living) {
      if (controller::find_rank(world.shadow, key) == nullptr || !world.controller.knows(key.job)) {
        world.fail("durable",
                   folder_name(key) + " runs, and a restarted controller knows nothing of it");
      }
    }
  }

 private:
  std::set<JobId> jobs_;
  std::set<JobId> cancelled_;
};

}  // namespace

std::unique_ptr<Check> check_durable() {
  return std::make_unique<Durable>();
}

}  // namespace devrun::sim
