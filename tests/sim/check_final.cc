// An outcome is final: once a watcher has been shown how a task ended, nobody is ever shown anything else, over restarts of
// the controller, too. Also counts what states tasks go through.
#include <map>

#include "tests/sim/world.h"

namespace devrun::sim {

namespace {

class Final final : public Check {
 public:
  void published(World& world, TaskKey task, const controller::TaskView& view) override {
    const auto [it, fresh] = shown_.try_emplace(task, Shown{});
    Shown& before = it->second;
    if (fresh || before.state != view.state) {
      world.trace.count(fmt::format("state: {} -> {}", fresh ? "none" : state_name(before.state),
                                    state_name(view.state)));
      world.trace.line("shown {} {}", to_string(task), state_name(view.state));
    }
    if (!fresh && is_final(before.state) &&
        (before.state != view.state || before.ending != view.ending)) {
      world.fail("final", fmt::format("{} was {} and is {}", to_string(task),
                                      state_name(before.state), state_name(view.state)));
    }
    if (is_final(view.state) != view.ending.has_value()) {
      world.fail("final", fmt::format("{} is {}, with an ending or without", to_string(task),
                                      state_name(view.state)));
    }
    before = {view.state, view.ending};
  }

  void restarted(World& world, const controller::State&) override {
    for (const auto& [task, shown] : shown_) {
      if (!is_final(shown.state)) continue;
      const auto view = world.controller.view_ever(task);
      if (!view || view->state != shown.state || view->ending != shown.ending) {
        world.fail("final", fmt::format("{} was {}, which a restart has unsaid", to_string(task),
                                        state_name(shown.state)));
      }
    }
  }

 private:
  struct Shown {
    JobState state = JobState::kQueued;
    std::optional<Ending> ending;
  };
  std::map<TaskKey, Shown> shown_;
};

}  // namespace

std::unique_ptr<Check> check_final() {
  return std::make_unique<Final>();
}

}  // namespace devrun::sim
