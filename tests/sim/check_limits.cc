// The time limit of a job ends what has really run for so long, whatever the clocks of its node and of the controller say:
// not before, but for how far a clock was set forward meanwhile and how long the job was on its way.
#include <map>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

constexpr Duration kSlack = seconds(1);

class Limits final : public Check {
 public:
  void began(World& world, const Node&, const AttemptSpec& spec) override {
    began_[spec.key] = world.queue.now();
  }

  void durable(World& world, std::span<const controller::Event> events) override {
    for (const controller::Event& event : events) {
      if (const auto* placed = std::get_if<controller::TaskPlaced>(&event.kind)) {
        // When it was decided: its record may have taken seconds to be durable.
        const Duration written = world.controller.wall() - event.at;
        placed_[placed->task] = {world.queue.now() + Duration{-written.us},
                                 world.controller.clocks().set_by};
      }
      const auto* reached = std::get_if<controller::TimeLimitReached>(&event.kind);
      if (reached != nullptr) look(world, reached->task);
    }
  }

 private:
  struct Placed {
    Time at;
    Duration set_by;  // the controller's clock, then
  };

  // At least one rank has run for long enough.
  void look(World& world, TaskKey key) {
    const controller::Job& job = world.shadow.jobs.at(key.job);
    const controller::Task& task = job.tasks.at(key.task);
    Duration longest;
    Duration allowed = kSlack;
    for (uint32_t rank = 0; rank < task.ranks.size(); ++rank) {
      const auto it = began_.find({key.job, key.task, rank, task.attempt});
      if (it == began_.end()) continue;
      longest = std::max(longest, world.queue.now() - it->second);
      const Placed& placed = placed_[key];
      const Duration on_its_way = it->second - placed.at;
      const Duration set{world.controller.clocks().set_by.us - placed.set_by.us};
      const Duration excuse = kSlack + on_its_way + std::max(set, Duration{});
      allowed = std::max(allowed, excuse + Duration{longest.us / 50});
    }
    if (longest + allowed < job.spec.time_limit) {
      world.fail("limits", fmt::format("{} has run for {} ms of {} and is ended", to_string(key),
                                       longest.us / 1000, job.spec.time_limit.us / 1000));
    }
  }

  std::map<AttemptKey, Time> began_;
  std::map<TaskKey, Placed> placed_;
};

}  // namespace

std::unique_ptr<Check> check_limits() {
  return std::make_unique<Limits>();
}

}  // namespace devrun::sim
